/** Exemplars as marks on a graph. */

import type uPlot from "uplot";

import type { ExemplarSeries } from "../api.ts";
import { parseValue } from "../number.ts";
import { type Labels, seriesText } from "../series.ts";
import { color } from "../theme.ts";
import { formatTime } from "../time.ts";
import { quantity, unitOfName } from "../unit.ts";

export interface Exemplar {
  readonly time: number;
  readonly value: number;
  readonly labels: Labels;
  readonly series: Labels;
}

/** More marks than this hide each other and the graph. */
const EXEMPLARS_MAX = 2000;

export function exemplarsOf(answer: readonly ExemplarSeries[]): Exemplar[] {
  const all = answer.flatMap(({ seriesLabels, exemplars }) =>
    exemplars.map(({ labels, value, timestamp }) => ({
      time: timestamp,
      value: parseValue(value),
      labels,
      series: seriesLabels,
    })),
  );
  return all.filter(({ value }) => Number.isFinite(value)).slice(-EXEMPLARS_MAX);
}

/** Draws a diamond for each exemplar, at its value or, where that is out of the scale, at the nearer edge. */
export function exemplarMarks(exemplars: readonly Exemplar[], place: (value: number) => number): uPlot.Plugin {
  return {
    hooks: {
      draw: (self) => {
        const { ctx, bbox } = self;
        const size = 4 * devicePixelRatio;
        ctx.save();
        ctx.fillStyle = color("surface");
        ctx.strokeStyle = color("exemplar");
        ctx.lineWidth = 1.5 * devicePixelRatio;
        for (const exemplar of exemplars) {
          const x = self.valToPos(exemplar.time, "x", true);
          if (x < bbox.left || x > bbox.left + bbox.width) continue;
          const y = clamp(self.valToPos(place(exemplar.value), "y", true), bbox.top, bbox.top + bbox.height);
          ctx.beginPath();
          ctx.moveTo(x, y - size);
          ctx.lineTo(x + size, y);
          ctx.lineTo(x, y + size);
          ctx.lineTo(x - size, y);
          ctx.closePath();
          ctx.fill();
          ctx.stroke();
        }
        ctx.restore();
      },
    },
  };
}

/** The exemplar under the cursor, if there is one. */
export function exemplarAt(
  self: uPlot,
  exemplars: readonly Exemplar[],
  place: (value: number) => number,
): Exemplar | undefined {
  const { left = -1, top = -1 } = self.cursor;
  const height = self.over.clientHeight;
  return exemplars.find((exemplar) => {
    const x = self.valToPos(exemplar.time, "x");
    const y = clamp(self.valToPos(place(exemplar.value), "y"), 0, height);
    return Math.hypot(x - left, y - top) < 8;
  });
}

export function exemplarLines({ time, value, labels, series }: Exemplar): string[] {
  const pairs = Object.entries(labels).map(([name, text]) => `${name}: ${text}`);
  return [`Exemplar ${quantity(value, unitOfName(series["__name__"] ?? ""))}`, formatTime(time), ...pairs, seriesText(series)];
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
