/** What the graphs have in common: axes, grid and the choice of a range by dragging. */

import uPlot from "uplot";

import { color } from "../theme.ts";
import type { Span } from "../time.ts";
import { axisTexts, roundSteps, type Unit } from "../unit.ts";

export const GRAPH_HEIGHT = 340;

const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/** Texts along the time axis: 24 hours, ISO dates, as few characters as tell them apart. */
const TIME_VALUES: uPlot.Axis.DynamicValues = (_, splits) => {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0);
  const two = (number: number): string => String(number).padStart(2, "0");
  let day = "";
  return splits.map((split) => {
    const date = new Date(split * 1000);
    const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
    const today = `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    const isNewDay = today !== day && (day !== "" || clock === "00:00");
    day = today;
    if (step >= 86_400) return today;
    const text = step < 60 ? `${clock}:${two(date.getSeconds())}` : clock;
    return isNewDay ? `${text}\n${today}` : text;
  });
};

export function timeAxis(): uPlot.Axis {
  return { ...axisLook(), values: TIME_VALUES, space: 70, size: 34 };
}

export function valueAxis(unit: Unit | undefined): uPlot.Axis {
  const steps = roundSteps(unit);
  return {
    ...axisLook(),
    size: (self, values, _axis, cycle) => {
      const kept = self.axes[1] as { _size?: number } | undefined;
      if (cycle > 1 && kept?._size !== undefined) return kept._size;
      const longest = (values ?? []).reduce((length, text) => Math.max(length, text.length), 3);
      return Math.min(110, 18 + longest * 6.4);
    },
    ...(steps === undefined ? {} : { incrs: steps }),
    values: (_, splits) => axisTexts(splits, unit),
  };
}

export function axisLook(): uPlot.Axis {
  const grid = { stroke: color("grid"), width: 1 };
  return { stroke: color("text-muted"), font: FONT, grid, ticks: { ...grid, size: 4 }, gap: 5 };
}

/** Dragging chooses a range of time; the page then asks for it. */
export function chooseRange(onChoose: (span: Span) => void): uPlot.Plugin {
  return {
    hooks: {
      setSelect: (self) => {
        const { left, width } = self.select;
        if (width > 4) onChoose({ start: self.posToVal(left, "x"), end: self.posToVal(left + width, "x") });
        self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      },
    },
  };
}

export const CURSOR: uPlot.Cursor = {
  drag: { x: true, y: false, setScale: false },
  points: { size: 7, width: 2 },
};

/** A box that follows the cursor; its text is set by the graph that owns it. */
export class Tooltip {
  readonly element = document.createElement("div");

  constructor(private readonly over: HTMLElement) {
    this.element.className = "tooltip";
    this.element.hidden = true;
    over.append(this.element);
  }

  show(left: number, top: number, lines: readonly (string | Node)[]): void {
    this.element.replaceChildren(
      ...lines.map((line) => {
        const row = document.createElement("div");
        row.append(line);
        return row;
      }),
    );
    this.element.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const fits = left + 14 + width <= this.over.clientWidth;
    const x = fits ? left + 14 : Math.max(0, left - width - 14);
    const y = Math.min(Math.max(0, top - height / 2), Math.max(0, this.over.clientHeight - height));
    this.element.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }

  hide(): void {
    this.element.hidden = true;
  }
}
