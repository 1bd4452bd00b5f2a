/** Names with counts, the largest first, each with a bar for its share. */

import type { ComponentChildren } from "preact";

import type { NamedCount } from "../api.ts";
import { count, percent } from "../number.ts";

interface CountTableProps {
  readonly title: string;
  readonly hint: string;
  readonly unit: string;
  readonly counts: readonly NamedCount[];
  /** What the counts are shares of; without it bars are measured against the largest. */
  readonly total?: number;
  readonly link: (name: string) => string | undefined;
  readonly format?: (value: number) => string;
  readonly children?: ComponentChildren;
}

export function CountTable({ title, hint, unit, counts, total, link, format = count, children }: CountTableProps) {
  const whole = total ?? Math.max(...counts.map(({ value }) => value), 1);
  return (
    <section class="surface count-table">
      <h2>{title}</h2>
      <p class="faint">{hint}</p>
      {counts.length === 0 && <p class="muted">None.</p>}
      {counts.length > 0 && (
        <table>
          <thead class="visually-hidden">
            <tr>
              <th scope="col">Name</th>
              <th scope="col">{unit}</th>
            </tr>
          </thead>
          <tbody>
            {counts.map(({ name, value }) => {
              const href = link(name);
              return (
                <tr key={name}>
                  <td>
                    <span class="share" style={{ width: `${(100 * value) / whole}%` }} />
                    {href === undefined ? <code>{name}</code> : <a href={href}><code>{name}</code></a>}
                  </td>
                  <td class="number" title={total === undefined ? undefined : percent(value / total)}>
                    {format(value)}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      {children}
    </section>
  );
}
