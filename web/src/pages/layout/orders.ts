/** What a person wants of the layout, node by node, until it is planned and done. */
import type { LayoutOrders, Seat } from "../../api/types.ts";
import { bytes } from "../../words/amounts.ts";

export type Act = "keep" | "add" | "drain" | "replace" | "remove";

/** What is wanted of one node; null leaves a part as it is. `by`: the node that takes its place. */
export interface Wanted {
  act: Act;
  by: string;
  weight_bytes: number | null;
  zone: string | null;
}

export type Staged = ReadonlyMap<string, Wanted>;

/** What people call a node: its name, or the beginning of its id. */
export function called(seat: { id: string; name: string }): string {
  return seat.name || seat.id.slice(0, 8);
}

/** The body of a plan; null when nothing is wanted. */
export function ordersOf(staged: Staged, force: boolean): LayoutOrders | null {
  if (staged.size === 0) return null;
  const nodes = (act: Act): string[] => [...staged].filter(([, one]) => one.act === act).map(([id]) => id);
  const weight: Record<string, number> = {};
  const zone: Record<string, string> = {};
  for (const [id, one] of staged) {
    if (one.weight_bytes !== null) weight[id] = one.weight_bytes;
    if (one.zone !== null) zone[id] = one.zone;
  }
  return {
    add: nodes("add"),
    drain: nodes("drain"),
    remove: nodes("remove"),
    replace: nodes("replace").map((old) => ({ old, new: staged.get(old)?.by ?? "" })),
    weight,
    zone,
    revert: false,
    force,
    base: "",
  };
}

export const GO_BACK: LayoutOrders = {
  add: [],
  drain: [],
  remove: [],
  replace: [],
  weight: {},
  zone: {},
  revert: true,
  force: false,
  base: "",
};

/** What is wanted of a node, a line for each part. */
export function wantedWords(seat: Seat, wanted: Wanted, nameOf: (id: string) => string): string[] {
  const name = called(seat);
  const told: string[] = [];
  if (wanted.act === "add") told.push(`${name} stores again`);
  if (wanted.act === "drain") told.push(`${name} is drained`);
  if (wanted.act === "remove") told.push(`${name} is taken out for good`);
  if (wanted.act === "replace") told.push(`${nameOf(wanted.by)} takes the place of ${name}`);
  if (wanted.weight_bytes !== null) told.push(`${name} weighs ${bytes(wanted.weight_bytes)}`);
  if (wanted.zone !== null) told.push(wanted.zone ? `${name} stands in the zone ${wanted.zone}` : `${name} stands in no zone`);
  return told;
}

export const UNITS = { GB: 1e9, TB: 1e12 } as const;
export type Unit = keyof typeof UNITS;

/** A weight as it is put into a field: "2", "TB". */
export function weightField(size_bytes: number): { amount: string; unit: Unit } {
  const unit: Unit = size_bytes >= UNITS.TB ? "TB" : "GB";
  return { amount: String(Math.round((size_bytes / UNITS[unit]) * 1000) / 1000), unit };
}

/** What a field says in bytes; null when it is no size. */
export function weightBytes(amount: string, unit: Unit): number | null {
  const value = Number(amount.replace(",", "."));
  const size = Math.round(value * UNITS[unit]);
  return amount.trim() === "" || !Number.isFinite(size) || size <= 0 ? null : size;
}

export interface Zone {
  /** Empty: nodes that stand in none, each of which counts as one. */
  name: string;
  seats: Seat[];
}

/** The nodes by zone, those of none last; those that were taken out are in no zone. */
export function zonesOf(seats: readonly Seat[]): Zone[] {
  const zones = new Map<string, Seat[]>();
  for (const seat of seats) {
    if (seat.state === "removed") continue;
    zones.set(seat.zone, [...(zones.get(seat.zone) ?? []), seat]);
  }
  return [...zones]
    .sort(([one], [other]) => Number(one === "") - Number(other === "") || one.localeCompare(other))
    .map(([name, inside]) => ({ name, seats: inside.sort((one, other) => called(one).localeCompare(called(other))) }));
}
