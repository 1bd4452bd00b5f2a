/** Units of values: found in the names of metrics or in their metadata, and written beside numbers. */

import { shortNumber } from "./number.ts";

type Kind = "count" | "seconds" | "epoch" | "bytes" | "bits" | "ratio" | "other";

/** What a value is measured in. */
export interface Unit {
  readonly kind: Kind;
  /** What is written behind the number, for units that are all alike: `V`, `°C`. */
  readonly symbol: string;
  /** How much of the kind one is: 0.001 for milliseconds. */
  readonly factor: number;
  /** Whether it is so much in each second. */
  readonly perSecond: boolean;
}

/** Numbers of things, which have no unit of their own. */
export const COUNT: Unit = { kind: "count", symbol: "", factor: 1, perSecond: false };
export const SECONDS: Unit = { ...COUNT, kind: "seconds" };
/** Seconds since 1970: a time, which is no quantity. */
export const EPOCH: Unit = { ...COUNT, kind: "epoch" };
export const RATIO: Unit = { ...COUNT, kind: "ratio" };

const of = (kind: Kind, factor = 1): Unit => ({ ...COUNT, kind, factor });
const other = (symbol: string): Unit => ({ ...COUNT, kind: "other", symbol });

/** Units by the word that ends a metric's name, and by the code that OpenTelemetry has for them. */
const UNITS: readonly (readonly [word: string, code: string, unit: Unit])[] = [
  ["nanoseconds", "ns", of("seconds", 1e-9)],
  ["microseconds", "us", of("seconds", 1e-6)],
  ["milliseconds", "ms", of("seconds", 1e-3)],
  ["seconds", "s", SECONDS],
  ["minutes", "min", of("seconds", 60)],
  ["hours", "h", of("seconds", 3600)],
  ["days", "d", of("seconds", 86_400)],
  ["bits", "bit", of("bits")],
  ["bytes", "By", of("bytes")],
  ["kilobytes", "kBy", of("bytes", 1e3)],
  ["megabytes", "MBy", of("bytes", 1e6)],
  ["gigabytes", "GBy", of("bytes", 1e9)],
  ["kibibytes", "KiBy", of("bytes", 1024)],
  ["mebibytes", "MiBy", of("bytes", 1024 ** 2)],
  ["gibibytes", "GiBy", of("bytes", 1024 ** 3)],
  ["ratio", "", RATIO],
  ["percent", "%", of("ratio", 0.01)],
  ["celsius", "Cel", other("°C")],
  ["volts", "V", other("V")],
  ["amperes", "A", other("A")],
  ["watts", "W", other("W")],
  ["joules", "J", other("J")],
  ["meters", "m", other("m")],
  ["grams", "g", other("g")],
  ["hertz", "Hz", other("Hz")],
];

const BY_WORD = new Map(UNITS.map(([word, , unit]) => [word, unit]));
const BY_CODE = new Map(UNITS.map(([, code, unit]) => [code, unit]));
BY_CODE.delete("");

/** What a unit in metadata means, a word or a code; nothing when it says nothing that is sure. */
export function unitOfText(text: string): Unit | undefined {
  // Braces hold remarks: {request} counts requests.
  if (/^\{.*\}$/.test(text)) return COUNT;
  const [whole = "", per] = text.split("/");
  const unit = BY_WORD.get(whole) ?? BY_CODE.get(whole) ?? (/^\{.*\}$/.test(whole) ? COUNT : undefined);
  if (per === undefined || unit === undefined) return unit;
  return per === "s" ? perSecond(unit) : undefined;
}

/** The unit that a metric's name tells; of a series of a histogram that of what it measured. */
export function unitOfName(name: string): Unit | undefined {
  const stem = familyOf(name).replace(/_total$/, "");
  const [whole = "", ...rest] = stem.split("_per_");
  if (rest.length > 0) {
    const unit = BY_WORD.get(lastWord(whole));
    return rest[0] === "second" && unit !== undefined ? perSecond(unit) : undefined;
  }
  const unit = BY_WORD.get(lastWord(stem));
  return unit === SECONDS && /_(timestamp|(start|boot|expiry|expiration)_time|not_(after|before))_seconds$/.test(name) ? EPOCH : unit;
}

/** The name that a histogram's or summary's series have in common. */
export function familyOf(name: string): string {
  return name.replace(/_(bucket|sum|count)$/, "");
}

function lastWord(name: string): string {
  return /[a-z]+$/.exec(name)?.[0] ?? "";
}

/** What the rate of such a counter is measured in; nothing where that makes no sense. */
export function perSecond(unit: Unit): Unit | undefined {
  return unit.perSecond || unit.kind === "epoch" || unit.kind === "ratio" ? undefined : { ...unit, perSecond: true };
}

export function isSame(a: Unit | undefined, b: Unit | undefined): boolean {
  return a?.kind === b?.kind && a?.symbol === b?.symbol && a?.factor === b?.factor && a?.perSecond === b?.perSecond;
}

/** The unit that all share; nothing where two differ. */
export function commonUnit(units: readonly (Unit | undefined)[]): Unit | undefined {
  const [first] = units;
  return units.every((unit) => isSame(unit, first)) ? first : undefined;
}

/** By what a value is divided to be written, and what stands behind it. */
interface Scale {
  readonly by: number;
  readonly suffix: string;
}

const TIMES: readonly (readonly [from: number, by: number, suffix: string])[] = [
  [172_800, 86_400, " d"],
  [7200, 3600, " h"],
  [120, 60, " min"],
  [1, 1, " s"],
  [1e-3, 1e-3, " ms"],
  [1e-6, 1e-6, " µs"],
  [0, 1e-9, " ns"],
];
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL = ["", "k", "M", "G", "T", "P", "E"];

/** Times beyond this many seconds are rather dates that someone calls seconds. */
const SECONDS_MAX = 1e9;

function scaleOf(unit: Unit, size: number): Scale | undefined {
  const per = unit.perSecond ? "/s" : "";
  const amount = size * unit.factor;
  switch (unit.kind) {
    case "seconds": {
      // Seconds in each second are a number without a unit.
      if (unit.perSecond || amount > SECONDS_MAX) return undefined;
      const [, by, suffix] = TIMES.find(([from]) => amount > 0 && amount >= from * 0.999_95) ?? [0, 1, " s"];
      return { by: by / unit.factor, suffix };
    }
    case "bytes":
      return prefixed(unit, amount, 1024, BINARY, `B${per}`);
    case "bits":
      return prefixed(unit, amount, 1000, DECIMAL, `bit${per}`);
    case "ratio":
      return { by: 0.01 / unit.factor, suffix: "\u202f%" };
    case "other":
      return unit.symbol === "°C" ? { by: 1, suffix: ` °C${per}` } : prefixed(unit, amount, 1000, DECIMAL, unit.symbol + per);
    case "count":
    case "epoch":
      return undefined;
  }
}

function prefixed(unit: Unit, amount: number, base: number, prefixes: readonly string[], symbol: string): Scale {
  let power = 0;
  while (power < prefixes.length - 1 && amount >= base ** (power + 1) * 0.999_95) power += 1;
  return { by: base ** power / unit.factor, suffix: ` ${prefixes[power] ?? ""}${symbol}` };
}

function scaled(value: number, scale: Scale, digits: number): string {
  if (!Number.isFinite(value)) return shortNumber(value);
  const number = value / scale.by;
  const size = Math.abs(number);
  // No second prefix, and no exponent where a few digits do.
  const text = size !== 0 && (size < 1e-4 || size >= 1e15) ? shortNumber(number, digits) : String(Number(number.toPrecision(Math.max(digits, size >= 1000 ? 4 : 1))));
  return text + scale.suffix;
}

/** A value with its unit: `12.3 MiB/s`; just the number where the unit is not known. */
export function quantity(value: number, unit: Unit | undefined, digits = 4): string {
  const scale = unit === undefined ? undefined : scaleOf(unit, Math.abs(value));
  if (scale !== undefined) return scaled(value, scale, digits);
  return shortNumber(value, digits) + countSuffix(unit);
}

function countSuffix(unit: Unit | undefined): string {
  return unit?.kind === "count" && unit.perSecond ? "/s" : "";
}

/** Texts along an axis: all with the same unit, and as many digits as tell the marks' places. */
export function axisTexts(splits: readonly number[], unit: Unit | undefined): string[] {
  const step = Math.abs((splits[1] ?? 0) - (splits[0] ?? 0));
  const scale = unit === undefined ? undefined : axisScale(splits, step, unit);
  const by = scale?.by ?? 1;
  const isExact = (digits: number): boolean =>
    splits.every((split) => Math.abs(Number((split / by).toPrecision(digits)) - split / by) <= (step / by) * 0.01);
  const digits = [3, 4, 5, 6, 7, 8, 9, 10, 11].find(isExact) ?? 12;
  return splits.map((split) => {
    if (split === 0) return "0";
    return scale === undefined ? shortNumber(split, digits) + countSuffix(unit) : scaled(split, scale, digits);
  });
}

/** That of the largest number, unless small numbers had odd fractions in it: 0.125 MiB is 128 KiB. */
function axisScale(splits: readonly number[], step: number, unit: Unit): Scale | undefined {
  const most = Math.max(0, ...splits.map(Math.abs));
  const scale = scaleOf(unit, most);
  if (scale === undefined || most / scale.by > 8) return scale;
  const tenths = (step / scale.by) * 10;
  return tenths >= 5 || Math.abs(tenths - Math.round(tenths)) < 1e-6 ? scale : scaleOf(unit, step);
}

const DECIMALS = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index).flatMap((power) => [1, 2, 5].map((step) => Number(`${step}e${power}`)));

const MINUTES_AND_HOURS = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];
const TIME_STEPS = [...DECIMALS(-10, 1), 10, ...MINUTES_AND_HOURS, ...DECIMALS(0, 6).map((days) => days * 86_400)];
const BINARY_STEPS = [...DECIMALS(-6, 0), ...Array.from({ length: 70 }, (_, power) => 2 ** power)];

/** Distances between two marks of an axis that look round in the unit; nothing where the usual ones do. */
export function roundSteps(unit: Unit | undefined): number[] | undefined {
  const steps = unit?.kind === "bytes" ? BINARY_STEPS : unit?.kind === "seconds" && !unit.perSecond ? TIME_STEPS : undefined;
  return steps?.map((step) => Number((step / (unit?.factor ?? 1)).toPrecision(12)));
}
