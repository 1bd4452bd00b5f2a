/** Numbers as people read them. */

const LARGE: readonly (readonly [number, string])[] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

function significant(value: number, digits: number): string {
  return String(Number(value.toPrecision(digits)));
}

/** A value in a few characters: `12.3k`, `0.0042`, `1.2e-7`. */
export function shortNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e15) return exponent(value);
  for (const [factor, unit] of LARGE) {
    if (size >= factor * 0.99995) return significant(value / factor, digits) + unit;
  }
  return size < 1e-4 ? exponent(value) : significant(value, digits);
}

function exponent(value: number): string {
  return value.toExponential(2).replace(/\.?0+e/, "e");
}

/** A whole number with its thousands apart. */
export function count(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/** A count with what is counted: `1 part`, `2 parts`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Bytes: `3.2 MiB`. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(size) : significant(size, 3)} ${units[unit] ?? ""}`;
}

/** A share: `12 %`. */
export function percent(share: number): string {
  const value = share * 100;
  if (!Number.isFinite(value)) return "–";
  return `${value > 0 && value < 0.1 ? "< 0.1" : significant(value, value < 10 ? 2 : 3)}\u202f%`;
}

/** A value of the API, which is text so that it can be NaN or infinite. */
export function parseValue(text: string): number {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}
