/** The page that chronoxide answers at `/`. */

import "uplot/dist/uPlot.min.css";
import "./style/page.css";

import { render } from "preact";

import { App } from "./app.tsx";
import { apply } from "./theme.ts";

apply();
render(<App />, document.body);
