/** Units of metrics from their metadata, asked for once. */

import { metadataOf } from "../api.ts";
import { commonUnit, familyOf, type Unit, unitOfText } from "../unit.ts";
import { type KnownUnits, namesWithoutUnit } from "./expression_unit.ts";

const asked = new Map<string, Promise<Unit | undefined>>();

/** The units of the metrics in the expressions whose names tell none. */
export async function knownUnits(texts: readonly string[]): Promise<KnownUnits> {
  const names = [...new Set(texts.flatMap(namesWithoutUnit))];
  const units = await Promise.all(names.map(async (name) => [name, await unitOf(familyOf(name))] as const));
  return new Map(units);
}

function unitOf(family: string): Promise<Unit | undefined> {
  let unit = asked.get(family);
  if (unit === undefined) {
    // Without metadata a graph is still a graph, and numbers without units are right.
    unit = fromMetadata(family).catch(() => undefined);
    asked.set(family, unit);
  }
  return unit;
}

async function fromMetadata(family: string): Promise<Unit | undefined> {
  const { data } = await metadataOf(family);
  return commonUnit((data[family] ?? []).map(({ unit }) => unitOfText(unit)));
}
