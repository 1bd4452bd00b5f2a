/** The range of time: relative or from one time to another, moved and widened. */

import { useState } from "preact/hooks";

import { Icon } from "../parts/icons.tsx";
import { Popover } from "../parts/popover.tsx";
import { formatDuration, formatInput, parseDuration, parseInput, type Range, rangeText, RELATIVE_RANGES, shifted, spanOf, zoomed } from "../time.ts";

interface RangePickerProps {
  readonly range: Range;
  readonly onChange: (range: Range) => void;
}

const now = (): number => Math.floor(Date.now() / 1000);

export function RangePicker({ range, onChange }: RangePickerProps) {
  return (
    <div class="group">
      <button type="button" class="button square" aria-label="Earlier" title="Earlier" onClick={() => onChange(shifted(range, -0.5, now()))}>
        <Icon name="left" />
      </button>
      <Popover label="Time range" text={rangeText(range)}>
        {(close) => (
          <RangePanel
            range={range}
            onChange={(next) => {
              onChange(next);
              close();
            }}
          />
        )}
      </Popover>
      <button
        type="button"
        class="button square"
        aria-label="Later"
        title="Later"
        disabled={"last" in range}
        onClick={() => onChange(shifted(range, 0.5, now()))}
      >
        <Icon name="right" />
      </button>
      <button type="button" class="button square" aria-label="Zoom out" title="Zoom out" onClick={() => onChange(zoomed(range, 2, now()))}>
        <Icon name="out" />
      </button>
    </div>
  );
}

function RangePanel({ range, onChange }: RangePickerProps) {
  const span = spanOf(range, now());
  const [from, setFrom] = useState(formatInput(span.start));
  const [to, setTo] = useState(formatInput(span.end));
  const [own, setOwn] = useState("");
  const start = parseInput(from);
  const end = parseInput(to);
  const isValid = start !== undefined && end !== undefined && start < end;
  const ownSeconds = parseDuration(own);
  return (
    <div class="range-panel">
      <div class="range-list" role="group" aria-label="Relative ranges">
        {RELATIVE_RANGES.map((seconds) => (
          <button
            key={seconds}
            type="button"
            aria-pressed={"last" in range && range.last === seconds}
            onClick={() => onChange({ last: seconds })}
          >
            Last {formatDuration(seconds)}
          </button>
        ))}
      </div>
      <div class="range-own">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (ownSeconds !== undefined) onChange({ last: ownSeconds });
          }}
        >
          <label>
            Last
            <input value={own} placeholder="90m, 4d…" onInput={(event) => setOwn(event.currentTarget.value)} />
          </label>
          <button type="submit" class="button" disabled={ownSeconds === undefined}>
            Apply
          </button>
        </form>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (isValid) onChange({ from: start, to: end });
          }}
        >
          <label>
            From
            <input type="datetime-local" step="1" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
          </label>
          <label>
            To
            <input type="datetime-local" step="1" value={to} onInput={(event) => setTo(event.currentTarget.value)} />
          </label>
          {!isValid && <p class="bad">The range must end after it starts.</p>}
          <button type="submit" class="button" disabled={!isValid}>
            Apply
          </button>
        </form>
      </div>
    </div>
  );
}
