/** A number with its name, what it is measured against, and how it went lately. */

import type { ComponentChildren } from "preact";

import { percent } from "../number.ts";
import { Sparkline } from "./sparkline.tsx";

interface TileProps {
  readonly title: string;
  readonly value: string;
  readonly note?: ComponentChildren;
  /** A share of something that can run out. */
  readonly share?: number | undefined;
  readonly history?: readonly (number | null)[] | undefined;
  /** Where a click leads: the query behind the number. */
  readonly href?: string;
}

export function Tile({ title, value, note, share, history, href }: TileProps) {
  const level = share === undefined ? "" : share >= 0.9 ? " bad" : share >= 0.75 ? " warn" : "";
  const body = (
    <>
      <span class="tile-title">{title}</span>
      <span class="tile-value">{value}</span>
      {history !== undefined && <Sparkline values={history} label={`${title} over the last hour`} />}
      <span class="tile-foot">
        {share !== undefined && Number.isFinite(share) && (
          <span class={`meter${level}`} role="meter" aria-label={title} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)} title={percent(share)}>
            <span style={{ width: `${Math.min(100, share * 100)}%` }} />
          </span>
        )}
        {note !== undefined && <span class="tile-note">{note}</span>}
      </span>
    </>
  );
  return href === undefined ? (
    <div class="tile">{body}</div>
  ) : (
    <a class="tile" href={href}>
      {body}
    </a>
  );
}
