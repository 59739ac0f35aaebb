/** What narrows the library down: read from the address, written to it, and asked of the node. */
import type { AssetQuery } from "../../api/routes.ts";
import { dayEdge } from "../../words/time.ts";

export interface Filters {
  text: string;
  kind: string;
  camera: string;
  tag: string;
  /** Days as date fields give them. */
  since: string;
  until: string;
  sort: string;
  trash: boolean;
}

type Order = NonNullable<AssetQuery["order"]>;

/** Orders by the name the address has for them: title, field of the catalogue, and whether the largest is first. */
export const ORDERS: Record<string, { title: string; order: Order; descending: boolean }> = {
  "": { title: "Newest first", order: "created_ms", descending: true },
  oldest: { title: "Oldest first", order: "created_ms", descending: false },
  name: { title: "Name", order: "name", descending: false },
  longest: { title: "Longest first", order: "duration_s", descending: true },
  largest: { title: "Largest first", order: "size_bytes", descending: true },
};

export function readFilters(query: URLSearchParams): Filters {
  const get = (name: string): string => query.get(name) ?? "";
  return {
    text: get("text"),
    kind: get("kind"),
    camera: get("camera"),
    tag: get("tag"),
    since: get("since"),
    until: get("until"),
    sort: get("sort") in ORDERS ? get("sort") : "",
    trash: get("trash") === "1",
  };
}

/** The filters that are set, as the address has them. */
export function toAddress(filters: Filters): Record<string, string> {
  const { trash, ...rest } = filters;
  const set = Object.entries(rest).filter(([, value]) => value !== "");
  return { ...Object.fromEntries(set), ...(trash ? { trash: "1" } : {}) };
}

/** The node's query, and whether the order is descending. */
export function toApi(filters: Filters): [AssetQuery, boolean] {
  const { text, kind, camera, tag } = filters;
  const { order, descending } = ORDERS[filters.sort] ?? { order: "created_ms" as const, descending: true };
  const query: AssetQuery = {
    text,
    // As the address has it: what is no kind the node refuses, in words.
    kind: kind as NonNullable<AssetQuery["kind"]>,
    camera,
    tag,
    since: dayEdge(filters.since, "start"),
    until: dayEdge(filters.until, "end"),
    trashed: filters.trash,
    order,
  };
  return [query, descending];
}
