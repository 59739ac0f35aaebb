/** Which page a hash names, and the hash of each page. The address alone decides what is shown. */
import { useSyncExternalStore } from "react";

export interface Route {
  page: "wall" | "camera" | "library" | "asset" | "search" | "nodes" | "layout" | "admin" | "nowhere";
  id: string;
  query: URLSearchParams;
}

/** Read a location's hash. */
export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#\/?/, "");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  const query = new URLSearchParams(cut < 0 ? "" : text.slice(cut + 1));
  const [first = "", id = ""] = path.split("/").map(decoded);
  if (first === "") return { page: "wall", id: "", query };
  if ((first === "camera" || first === "asset") && id) return { page: first, id, query };
  if (first === "library" || first === "search" || first === "nodes" || first === "layout" || first === "admin") {
    return { page: first, id: "", query };
  }
  return { page: "nowhere", id: "", query };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** A login link's token in a hash; null when it is none. */
export function linkToken(hash: string): string | null {
  const found = /^#\/login\/([^/?]+)/.exec(hash);
  return found?.[1] ? decoded(found[1]) : null;
}

function withQuery(path: string, query: Record<string, string | number | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

export const to = {
  wall: () => "#/",
  camera: (id: string) => `#/camera/${encodeURIComponent(id)}`,
  library: (query: Record<string, string> = {}) => withQuery("#/library", query),
  asset: (id: string, at_s?: number | null) =>
    withQuery(`#/asset/${encodeURIComponent(id)}`, {
      t: at_s === null || at_s === undefined ? null : Math.round(at_s * 100) / 100,
    }),
  search: (query: Record<string, string> = {}) => withQuery("#/search", query),
  nodes: (query: Record<string, string> = {}) => withQuery("#/nodes", query),
  layout: () => "#/layout",
  admin: () => "#/admin",
};

/** Go to a page; `replace` leaves no step in the history. */
export function go(hash: string, replace = false): void {
  if (replace) {
    window.history.replaceState(null, "", hash);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    window.location.hash = hash;
  }
}

function onHash(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}

/** The hash as it is now. */
export function useHash(): string {
  return useSyncExternalStore(onHash, () => window.location.hash);
}
