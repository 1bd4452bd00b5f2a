/** The series of a graph: shown or hidden, and their values under the cursor. */

import type { RefObject } from "preact";
import { useEffect, useImperativeHandle, useMemo, useRef, useState } from "preact/hooks";

import { commonLabels, SeriesName } from "../parts/series_name.tsx";
import { seriesColor } from "../theme.ts";
import { formatTime } from "../time.ts";
import { quantity, type Unit } from "../unit.ts";
import { letterOf } from "../view.ts";
import { type Grid, summarize } from "./matrix.ts";

/** Rows shown at first; a click shows the others. */
const ROWS_FIRST = 100;

/** Lets the graph set the values without drawing the legend anew at every move of the cursor. */
export interface LegendHandle {
  setCursor(index: number | undefined): void;
}

interface LegendProps {
  readonly grid: Grid;
  readonly names: readonly string[];
  /** For each series what its values are measured in. */
  readonly units: readonly (Unit | undefined)[];
  readonly shown: readonly boolean[];
  readonly dark: boolean;
  /** Whether the series answer more than one expression, so that each needs its letter. */
  readonly several: boolean;
  readonly handle: RefObject<LegendHandle | null>;
  readonly onShown: (shown: readonly boolean[]) => void;
  readonly onFocus: (index: number | undefined) => void;
}

export function Legend({ grid, names, units, shown, several, handle, onShown, onFocus }: LegendProps) {
  const [all, setAll] = useState(false);
  const summaries = useMemo(() => grid.series.map(({ values }) => summarize(values)), [grid]);
  const common = useMemo(() => commonLabels(grid.series.map(({ labels }) => labels)), [grid]);
  const cells = useRef<(HTMLTableCellElement | null)[]>([]);
  const head = useRef<HTMLTableCellElement>(null);

  const text = (row: number, value: number | null | undefined): string =>
    value === null || value === undefined ? "–" : quantity(value, units[row], 5);
  const setCursor = (index: number | undefined): void => {
    if (head.current !== null) head.current.textContent = index === undefined ? "Last" : formatTime(grid.times[index] ?? 0).slice(11);
    grid.series.forEach(({ values }, row) => {
      const cell = cells.current[row];
      if (cell === null || cell === undefined) return;
      const value = index === undefined ? summaries[row]?.last : values[index];
      cell.textContent = text(row, value);
    });
  };
  useImperativeHandle(handle, () => ({ setCursor }), [grid, units, summaries]);
  useEffect(() => setCursor(undefined), [grid, units, all]);

  const toggle = (row: number, alone: boolean): void => {
    const others = shown.some((one, index) => one && index !== row);
    if (!alone) onShown(shown.map((one, index) => (index === row ? !one : one)));
    else if (others) onShown(shown.map((_, index) => index === row));
    else onShown(shown.map(() => true));
  };
  const rows = all ? grid.series : grid.series.slice(0, ROWS_FIRST);

  return (
    <div class="legend">
      <table>
        <thead>
          <tr>
            <th scope="col">
              Series <span class="faint hint">click: only this one · ctrl-click: show or hide</span>
            </th>
            <th scope="col" class="number" ref={head}>
              Last
            </th>
            <th scope="col" class="number wide">
              Min
            </th>
            <th scope="col" class="number wide">
              Mean
            </th>
            <th scope="col" class="number">
              Max
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ labels, expression }, row) => (
            <tr
              key={row}
              class={shown[row] === true ? undefined : "off"}
              onMouseEnter={() => onFocus(row)}
              onMouseLeave={() => onFocus(undefined)}
            >
              <td>
                <button
                  type="button"
                  class="legend-name"
                  aria-pressed={shown[row] === true}
                  onClick={(event) => toggle(row, !(event.ctrlKey || event.metaKey || event.shiftKey))}
                  onFocus={() => onFocus(row)}
                  onBlur={() => onFocus(undefined)}
                >
                  <span class="swatch" style={{ background: seriesColor(row) }} />
                  {several && <span class="from">{letterOf(expression)}</span>}
                  <SeriesName labels={labels} common={common} fallback={names[row] ?? ""} />
                </button>
              </td>
              <td
                class="number now"
                ref={(cell) => {
                  cells.current[row] = cell;
                }}
              />
              <td class="number wide">{text(row, summaries[row]?.min)}</td>
              <td class="number wide">{text(row, summaries[row]?.mean)}</td>
              <td class="number">{text(row, summaries[row]?.max)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {grid.series.length > rows.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          Show {grid.series.length - rows.length} more series
        </button>
      )}
    </div>
  );
}
