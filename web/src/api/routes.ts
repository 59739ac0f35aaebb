/** Every route the viewer uses, typed. Nothing else in the viewer knows a path of the API. */
import { ask } from "./client.ts";
import type { paths } from "./openapi.d.ts";
import type {
  Admitting,
  AssetChange,
  AssetDetails,
  AssetPage,
  Camera,
  CameraChange,
  Cameras,
  Devices,
  Ending,
  Found,
  Jobs,
  Layout,
  LayoutOrders,
  NewCamera,
  NewTicket,
  NewToken,
  NewTokenMade,
  NewUser,
  Nodes,
  Plan,
  Revoked,
  Role,
  Session,
  SignedIn,
  TakeOf,
  TicketMade,
  Tokens,
  TrashEmptied,
  User,
  Users,
} from "./types.ts";

type Signal = AbortSignal | undefined;
const at = encodeURIComponent;
const V1 = "/api/v1";

/** Words that are not set may be empty; withQuery leaves them out. */
type QueryOf<P extends keyof paths> = paths[P] extends { get: { parameters: { query?: infer Q } } } ? NonNullable<Q> : never;
export type AssetQuery = Omit<QueryOf<"/api/v1/assets">, "descending">;
export type SearchQuery = QueryOf<"/api/v1/search">;

export const api = {
  session: (signal?: Signal) => ask<Session>("GET", `${V1}/session`, { signal, quiet: true }),
  signIn: (user: string, password: string) =>
    ask<SignedIn>("POST", `${V1}/session`, { body: { user, password }, quiet: true }),
  signInByLink: (link: string) => ask<SignedIn>("POST", `${V1}/session`, { body: { link }, quiet: true }),
  signOut: () => ask<void>("DELETE", `${V1}/session`, { quiet: true }),

  nodes: (signal?: Signal) => ask<Nodes>("GET", `${V1}/nodes`, { signal }),
  invite: (roles: readonly string[], expires_s: number) =>
    ask<TicketMade>("POST", `${V1}/tickets`, { body: { roles: [...roles], expires_s } satisfies NewTicket }),
  revoke: (node: string, reason: string) =>
    ask<Revoked>("POST", `${V1}/nodes/${at(node)}/revoke`, { body: { reason } satisfies Ending }),
  letAdmit: (node: string) => ask<Admitting>("POST", `${V1}/nodes/${at(node)}/admit`),
  layout: (signal?: Signal) => ask<Layout>("GET", `${V1}/layout`, { signal }),
  planLayout: (orders: LayoutOrders, signal?: Signal) =>
    ask<Plan>("POST", `${V1}/layout/plan`, { body: orders, signal }),
  applyLayout: (orders: LayoutOrders) => ask<Plan>("POST", `${V1}/layout/apply`, { body: orders }),
  jobs: (signal?: Signal) => ask<Jobs>("GET", `${V1}/jobs`, { signal }),
  retryJobs: (asset: string) => ask<Jobs>("POST", `${V1}/jobs/retry`, { body: { asset } }),

  cameras: (signal?: Signal) => ask<Cameras>("GET", `${V1}/cameras`, { signal }),
  camera: (id: string, signal?: Signal) => ask<Camera>("GET", `${V1}/cameras/${at(id)}`, { signal }),
  addCamera: (url: string, name: string, node: string) =>
    ask<Camera>("POST", `${V1}/cameras`, { body: { url, name, node } satisfies NewCamera }),
  renameCamera: (id: string, name: string) => ask<Camera>("PATCH", `${V1}/cameras/${at(id)}`, { body: { name } satisfies CameraChange }),
  removeCamera: (id: string) => ask<void>("DELETE", `${V1}/cameras/${at(id)}`),
  devices: (node: string, signal?: Signal) => ask<Devices>("GET", `${V1}/devices`, { query: { node }, signal }),
  startRecording: (id: string) => ask<TakeOf>("POST", `${V1}/cameras/${at(id)}/record`, { body: {} }),
  stopRecording: (id: string) => ask<TakeOf>("DELETE", `${V1}/cameras/${at(id)}/record`),

  // `descending` is said either way: the node's default is true, and withQuery leaves false out.
  assets: (query: AssetQuery, descending: boolean, signal?: Signal) =>
    ask<AssetPage>("GET", `${V1}/assets`, { query: { ...query, descending: String(descending) }, signal }),
  asset: (id: string, signal?: Signal) => ask<AssetDetails>("GET", `${V1}/assets/${at(id)}`, { signal }),
  changeAsset: (id: string, change: AssetChange) => ask<AssetDetails>("PATCH", `${V1}/assets/${at(id)}`, { body: change }),
  trash: (id: string) => ask<AssetDetails>("DELETE", `${V1}/assets/${at(id)}`),
  deleteForGood: (id: string) => ask<AssetDetails>("DELETE", `${V1}/assets/${at(id)}`, { query: { now: true } }),
  /** A page of the trash; the first is "", and each answer names the next. */
  emptyTrash: (page: string) => ask<TrashEmptied>("DELETE", `${V1}/trash`, { query: { page } }),
  restore: (id: string) => ask<AssetDetails>("POST", `${V1}/assets/${at(id)}/restore`),

  search: (query: SearchQuery, signal?: Signal) => ask<Found>("GET", `${V1}/search`, { query, signal }),

  users: (signal?: Signal) => ask<Users>("GET", `${V1}/users`, { signal }),
  addUser: (name: string, password: string, role: Role) =>
    ask<User>("POST", `${V1}/users`, { body: { name, password, role } satisfies NewUser }),
  removeUser: (name: string) => ask<void>("DELETE", `${V1}/users/${at(name)}`),
  tokens: (signal?: Signal) => ask<Tokens>("GET", `${V1}/tokens`, { signal }),
  removeToken: (id: string) => ask<void>("DELETE", `${V1}/tokens/${at(id)}`),
  makeToken: (name: string, role: Role, days: number) =>
    ask<NewTokenMade>("POST", `${V1}/tokens`, { body: { name, role, days } satisfies NewToken }),
};

/** Addresses of media, for elements and players that fetch by themselves. */
export const media = {
  whep: (camera: string) => `/whep/${at(camera)}`,
  hls: (id: string) => `/hls/${at(id)}/index.m3u8`,
  mjpeg: (camera: string) => `${V1}/cameras/${at(camera)}/live.mjpeg`,
  snapshot: (camera: string) => `${V1}/cameras/${at(camera)}/snapshot.jpg`,
  file: (asset: string) => `${V1}/assets/${at(asset)}/file`,
  upload: (name: string) => `${V1}/uploads?name=${at(name)}`,
  events: () => `${V1}/events`,
  /** An asset's poster; null when it has none. */
  poster: (asset: string, poster: string | null) =>
    poster === null ? null : (ownPath(poster) ?? `${V1}/assets/${at(asset)}/poster.jpg`),
  /** A frame of an asset, named by its chunk or given as a path of this node. */
  frame: (asset: string, chunk: string | null) =>
    chunk === null ? null : (ownPath(chunk) ?? `${V1}/chunks/${at(chunk)}.jpg?asset=${at(asset)}`),
};

function ownPath(given: string): string | null {
  return given.startsWith("/") && !given.startsWith("//") ? given : null;
}
