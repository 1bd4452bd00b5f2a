/** The unit of an expression's values, from the names in it and what is done with them. Where that is not sure: none. */

import type { SyntaxNode } from "@lezer/common";
import { parser } from "@prometheus-io/lezer-promql";

import { COUNT, EPOCH, isSame, perSecond, RATIO, SECONDS, type Unit, unitOfName } from "../unit.ts";

/** Units of metrics whose names tell none, as their metadata says. */
export type KnownUnits = ReadonlyMap<string, Unit | undefined>;

export interface ExpressionUnits {
  readonly value: Unit | undefined;
  /** Of the bounds of its buckets, where it has histograms. */
  readonly bounds: Unit | undefined;
}

/** Functions whose result is measured as their argument is. */
const ALIKE = new Set([
  "abs", "avg_over_time", "ceil", "clamp", "clamp_max", "clamp_min", "delta", "first_over_time", "floor", "idelta", "increase",
  "label_join", "label_replace", "last_over_time", "mad_over_time", "max_over_time", "min_over_time", "predict_linear",
  "quantile_over_time", "round", "sort", "sort_by_label", "sort_by_label_desc", "sort_desc", "stddev_over_time", "sum_over_time",
]);
const RATES = new Set(["rate", "irate", "deriv"]);
const COUNTS = new Set(["count_over_time", "histogram_count", "changes", "resets"]);
const OF_BOUNDS = new Set(["histogram_quantile", "histogram_avg", "histogram_stddev"]);
const ALIKE_AGGREGATES = new Set(["sum", "avg", "min", "max", "topk", "bottomk", "limitk", "limit_ratio", "quantile", "stddev"]);
/** Wraps that leave the values as they are. */
const WRAPS = new Set(["PromQL", "ParenExpr", "UnaryExpr", "OffsetExpr", "StepInvariantExpr", "MatrixSelector", "SubqueryExpr"]);
/** Numbers that only change the size of a unit; any other may stand for something that has a unit itself. */
const SIZES = new Set([1000, 1e6, 1e9, 1024, 1024 ** 2, 1024 ** 3]);

export function expressionUnits(text: string, known: KnownUnits): ExpressionUnits {
  const reader = new Reader(text, known);
  const top = parser.parse(text).topNode;
  return { value: reader.valueOf(top), bounds: reader.boundsOf(top) };
}

/** The metrics that are named and whose names tell no unit. */
export function namesWithoutUnit(text: string): string[] {
  const names = new Set<string>();
  parser.parse(text).iterate({
    enter: ({ name, node }) => {
      const metric = name === "VectorSelector" ? metricName(node, text) : undefined;
      if (metric !== undefined && unitOfName(metric) === undefined) names.add(metric);
    },
  });
  return [...names];
}

function metricName(selector: SyntaxNode, text: string): string | undefined {
  const identifier = selector.getChild("Identifier");
  if (identifier !== null) return text.slice(identifier.from, identifier.to);
  for (let matcher = selector.getChild("LabelMatchers")?.firstChild; matcher; matcher = matcher.nextSibling) {
    const found = nameIn(matcher, text);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The name in `{"name"}` or `{__name__="name"}`. */
function nameIn(matcher: SyntaxNode, text: string): string | undefined {
  const quoted = matcher.getChild("StringLiteral");
  if (quoted === null) return undefined;
  const label = matcher.getChild("LabelName");
  const isName = label === null ? matcher.name === "QuotedLabelName" : text.slice(label.from, label.to) === "__name__";
  const isEqual = label === null || matcher.getChild("MatchOp")?.getChild("EqlSingle") != null;
  return isName && isEqual ? text.slice(quoted.from + 1, quoted.to - 1) : undefined;
}

class Reader {
  constructor(
    private readonly text: string,
    private readonly known: KnownUnits,
  ) {}

  valueOf(node: SyntaxNode | null): Unit | undefined {
    if (node === null) return undefined;
    if (WRAPS.has(node.name)) return this.valueOf(operand(node));
    switch (node.name) {
      case "VectorSelector":
        return this.ofSeries(metricName(node, this.text));
      case "FunctionCall":
        return this.ofFunction(this.textOf(node.getChild("FunctionIdentifier")), argumentsOf(node));
      case "AggregateExpr":
        return this.ofAggregate(this.textOf(node.getChild("AggregateOp")), argumentsOf(node));
      case "BinaryExpr":
        return this.ofBinary(node);
      default:
        return undefined;
    }
  }

  /** The unit of what the histograms in the expression have measured. */
  boundsOf(node: SyntaxNode | null): Unit | undefined {
    const units: (Unit | undefined)[] = [];
    node?.cursor().iterate(({ name, node: inner }) => {
      if (name === "VectorSelector") units.push(this.ofMetric(metricName(inner, this.text)));
    });
    const [first] = units;
    return units.every((unit) => isSame(unit, first)) ? first : undefined;
  }

  private ofMetric(name: string | undefined): Unit | undefined {
    return name === undefined ? undefined : (unitOfName(name) ?? this.known.get(name));
  }

  private ofSeries(name: string | undefined): Unit | undefined {
    if (name === undefined) return undefined;
    if (/_(bucket|count)$/.test(name)) return COUNT;
    return this.ofMetric(name) ?? (name.endsWith("_total") ? COUNT : undefined);
  }

  private ofFunction(name: string, given: readonly SyntaxNode[]): Unit | undefined {
    const inner = (): Unit | undefined => this.valueOf(given.find((node) => !isLiteral(node)) ?? null);
    const last = given.at(-1) ?? null;
    if (ALIKE.has(name)) return inner();
    if (RATES.has(name)) return perSecond(inner() ?? COUNT);
    if (OF_BOUNDS.has(name)) return this.boundsOf(last);
    if (COUNTS.has(name)) return name === "histogram_count" && inner()?.perSecond === true ? perSecond(COUNT) : COUNT;
    if (name === "histogram_sum") return inner();
    if (name === "histogram_fraction") return RATIO;
    return name === "time" || name === "timestamp" ? EPOCH : undefined;
  }

  private ofAggregate(name: string, given: readonly SyntaxNode[]): Unit | undefined {
    if (name === "count" || name === "group" || name === "count_values") return name === "count" ? COUNT : undefined;
    const inner = ALIKE_AGGREGATES.has(name) ? this.valueOf(given.at(-1) ?? null) : undefined;
    return inner?.kind === "epoch" && name === "sum" ? undefined : inner;
  }

  private ofBinary(node: SyntaxNode): Unit | undefined {
    const [left, right] = [node.firstChild, node.lastChild];
    if (left === null || right === null) return undefined;
    const [a, b] = [this.valueOf(left), this.valueOf(right)];
    const has = (name: string): boolean => node.getChild(name) !== null;
    if (has("Add") || has("Sub")) return sumOf(a, b, isLiteral(left), isLiteral(right), has("Sub"));
    if (has("Mul")) return isLiteral(left) ? times(b, this.numberOf(left)) : isLiteral(right) ? times(a, this.numberOf(right)) : undefined;
    if (has("Div")) return isLiteral(right) ? times(a, 1 / this.numberOf(right)) : quotient(a, b);
    if (has("BoolModifier")) return undefined;
    if (["Eql", "EqlC", "Neq", "Gtr", "Gte", "Lss", "Lte", "And", "Unless"].some(has)) return a;
    return has("Or") && isSame(a, b) ? a : undefined;
  }

  private textOf(node: SyntaxNode | null): string {
    return node === null ? "" : this.text.slice(node.from, node.to).toLowerCase();
  }

  private numberOf(node: SyntaxNode): number {
    return Number(this.textOf(node));
  }
}

/** What a wrap is around: its first expression. */
function operand(node: SyntaxNode): SyntaxNode | null {
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (child.name !== "UnaryOp") return child;
  }
  return null;
}

function argumentsOf(call: SyntaxNode): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  for (let child = call.getChild("FunctionCallBody")?.firstChild; child; child = child.nextSibling) found.push(child);
  return found;
}

function isLiteral(node: SyntaxNode): boolean {
  return node.name === "NumberDurationLiteral" || node.name === "StringLiteral";
}

function sumOf(a: Unit | undefined, b: Unit | undefined, isNumberA: boolean, isNumberB: boolean, isDifference: boolean): Unit | undefined {
  if (isNumberA || isNumberB) return isNumberA ? b : a;
  if (a?.kind === "epoch" && b?.kind === "epoch") return isDifference ? SECONDS : undefined;
  return isSame(a, b) ? a : undefined;
}

function times(unit: Unit | undefined, number: number): Unit | undefined {
  if (unit === undefined || Number.isNaN(number)) return undefined;
  if (unit.kind === "bytes" && unit.factor === 1 && number === 8) return { ...unit, kind: "bits" };
  if (unit.kind === "ratio" && number === 100) return { ...unit, factor: unit.factor / 100 };
  const isSize = SIZES.has(number) || [...SIZES].some((size) => Math.abs(number * size - 1) < 1e-12);
  return isSize && (unit.kind === "seconds" || unit.kind === "bytes") ? { ...unit, factor: unit.factor / number } : undefined;
}

/** A mean: so much for each of what is counted. */
function quotient(a: Unit | undefined, b: Unit | undefined): Unit | undefined {
  if (a === undefined || b?.kind !== "count" || a.kind === "count") return undefined;
  if (a.perSecond === b.perSecond) return { ...a, perSecond: false };
  return undefined;
}

