import type { Node } from "../../api/types.ts";
import { nodeNow } from "../../api/client.ts";
import { bytes, plain } from "../../words/amounts.ts";
import { inWords, since } from "../../words/time.ts";

const STATE: Record<Node["state"], string> = {
  alive: "Alive",
  suspect: "Not answering",
  dead: "Dead",
  left: "Left",
  revoked: "Revoked",
};

export function NodeCard({ node }: { node: Node }) {
  const used = node.disk_total_bytes !== null && node.disk_free_bytes !== null ? node.disk_total_bytes - node.disk_free_bytes : null;
  const facts: [string, string][] = [
    ["Processor", node.cpu_percent === null ? "–" : `${plain(node.cpu_percent)} %`],
    ["Memory", bytes(node.memory_bytes)],
    ["Keeps", bytes(node.chunk_bytes)],
    ["Chunks", plain(node.chunks)],
    ["Round trip", node.self ? "this node" : plain(node.state === "alive" ? node.rtt_ms : null, "ms")],
    ["Loop lag", plain(node.loop_lag_ms, "ms")],
  ];
  const up_s = since(node.started_at, nodeNow());
  return (
    <article className="node" data-node={node.id} data-state={node.state}>
      <header>
        <h2>
          <span className="dot" data-state={node.state} /> {node.name}
        </h2>
        <span className="hint">
          {node.self ? "This node" : (STATE[node.state] ?? node.state)}
          {up_s !== null && ` · up ${inWords(up_s)}`}
          {node.zone && ` · ${node.zone}`}
        </span>
      </header>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="number">{value}</dd>
          </div>
        ))}
      </dl>
      <div className="disk">
        <span>Disk</span>
        {used !== null && node.disk_total_bytes ? (
          <>
            <meter min={0} max={node.disk_total_bytes} high={node.disk_total_bytes * 0.85} value={used} aria-label={`Disk of ${node.name}`} />
            <span className="number">
              {bytes(node.disk_free_bytes)} free of {bytes(node.disk_total_bytes)}
            </span>
          </>
        ) : (
          <span className="number">–</span>
        )}
      </div>
      <details>
        <summary>Roles: {node.roles.join(", ") || "none"}</summary>
        <dl className="reasons">
          {Object.entries(node.role_reasons ?? {}).map(([role, reason]) => (
            <div key={role}>
              <dt>{role}</dt>
              <dd>{reason}</dd>
            </div>
          ))}
        </dl>
        <p className="hint number node-id">
          {node.id} · {node.version}
        </p>
        {node.http_url !== null && !node.self && (
          <a className="button button-quiet" href={node.http_url} rel="noreferrer">
            Open its viewer
          </a>
        )}
      </details>
    </article>
  );
}
