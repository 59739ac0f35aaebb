/**
 * The shapes of the HTTP API, as docs/API.md gives them.
 *
 * The rest of the viewer imports shapes from here alone. Once the gateway's OpenAPI names them, `npm run types` writes
 * openapi.d.ts beside this file, and each line below becomes `export type Node = components["schemas"]["Node"]`.
 *
 * Times are RFC 3339 UTC, durations and positions seconds, sizes bytes; what is not known is null.
 */

export type Role = "viewer" | "operator" | "admin";

export interface Session {
  user: string;
  role: Role;
  expires_at: string | null;
  node?: string;
  mesh?: string;
}

export interface Node {
  id: string;
  name: string;
  state: "alive" | "suspect" | "dead" | "left";
  self: boolean;
  roles: string[];
  role_reasons: Record<string, string>;
  http_url: string | null;
  version: string;
  zone: string;
  cpu_percent: number | null;
  memory_bytes: number | null;
  disk_total_bytes: number | null;
  disk_free_bytes: number | null;
  chunks: number | null;
  chunk_bytes: number | null;
  rtt_ms: number | null;
  started_at: string | null;
  loop_lag_ms: number | null;
  chunks_damaged: number | null;
}

export interface Nodes {
  nodes: Node[];
  copies: {
    wanted: number;
    at_risk: number | null;
    repairing: number | null;
    /** Chunks that no other node has yet. */
    waiting: number | null;
    lag_bytes: number | null;
    lag_s: number | null;
  };
  partitions: { ok: number; total: number };
}

export interface Recording {
  take: string;
  started_at: string;
  /** What has been recorded so far. */
  size_bytes: number | null;
  /** What its node, whatever it is of, keeps and no other has yet. */
  lag_bytes: number | null;
  lag_s: number | null;
  copies: number | null;
  copies_wanted: number | null;
  seconds_left: number | null;
}

export interface Camera {
  id: string;
  name: string;
  node: string;
  node_name: string | null;
  /** Whether its node answers. */
  node_there: boolean;
  source: string;
  state: "online" | "connecting" | "stalled" | "offline" | "error";
  error: string | null;
  codec: string | null;
  width: number | null;
  height: number | null;
  frame_rate: number | null;
  bit_rate: number | null;
  hops: number | null;
  recording: Recording | null;
  webrtc: boolean;
  webrtc_reason: string | null;
  hls: boolean;
  mjpeg: boolean;
}

export interface DeviceFormat {
  format: string;
  width: number;
  height: number;
  rates: number[];
}

export interface Device {
  node: string;
  node_name: string | null;
  url: string;
  name: string;
  stable_id: string;
  formats: DeviceFormat[];
  error: string | null;
}

export interface Devices {
  devices: Device[];
  note?: string | null;
}

export type AssetKind = "take" | "video" | "image" | "audio" | "other";

export interface Scene {
  start: number;
  end: number;
  hero: string | null;
  tags: string[];
}

export interface Gap {
  start: number;
  end: number;
  why: string;
}

export interface Asset {
  id: string;
  kind: AssetKind;
  name: string;
  camera: string | null;
  camera_name: string | null;
  node: string | null;
  state: "recording" | "ready" | "interrupted";
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  duration: number | null;
  size_bytes: number;
  mime: string | null;
  codec: string | null;
  width: number | null;
  height: number | null;
  frame_rate: number | null;
  tags: string[];
  auto_tags: string[];
  copies: number | null;
  copies_wanted: number | null;
  poster: string | null;
  trashed_at: string | null;
  error: string | null;
  meta: Record<string, unknown> | null;
  analysis: { l0: string; l1: string; l2: string } | null;
  scenes?: Scene[];
  gaps?: Gap[];
}

export interface AssetPage {
  assets: Asset[];
  next: string | null;
  total: number | null;
  partitions_ok: number;
  partitions_total: number;
  stale: boolean;
}

export interface Hit {
  asset: string;
  name: string;
  kind: string;
  at: number | null;
  end: number | null;
  score: number;
  why: string[];
  camera: string | null;
  poster: string | null;
}

export interface SearchAnswer {
  hits: Hit[];
  shards_ok: number;
  shards_total: number;
  model: string | null;
  missing: string | null;
}

export interface Job {
  id: string;
  asset: string;
  asset_name: string | null;
  kind: string;
  state: string;
  holder: string | null;
  node: string | null;
  node_name: string | null;
  attempts: number;
  error: string | null;
}

export interface User {
  name: string;
  role: Role;
}

export interface Token {
  id: string;
  name: string;
  role: Role;
  created_at: string | null;
  expires_at: string | null;
}

export interface LiveEvent {
  topic: string;
  at: string;
  data: unknown;
}

/** RFC 9457 problem details. */
export interface ProblemDetails {
  title?: string;
  status?: number;
  detail?: string;
  correlation_id?: string;
}
