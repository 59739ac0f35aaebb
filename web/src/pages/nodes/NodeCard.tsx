import { useState } from "react";
import { nodeNow } from "../../api/client.ts";
import { api } from "../../api/routes.ts";
import type { Node, Nodes } from "../../api/types.ts";
import { useSession } from "../../app/session.tsx";
import { useSay } from "../../ui/toasts.tsx";
import { useAction } from "../../ui/useAction.ts";
import { bytes, counted, DASH, plain } from "../../words/amounts.ts";
import { sentence } from "../../words/sentence.ts";
import { inWords, shortMoment, since } from "../../words/time.ts";
import { Revoke } from "./Revoke.tsx";

const STATE: Record<Node["state"], string> = {
  alive: "Alive",
  suspect: "Not answering",
  dead: "Dead",
  left: "Left",
  revoked: "Revoked",
};

export function NodeCard({ node, mesh, onChanged }: { node: Node; mesh: Nodes; onChanged: () => void }) {
  const used = node.disk_total_bytes !== null && node.disk_free_bytes !== null ? node.disk_total_bytes - node.disk_free_bytes : null;
  const facts: [string, string][] = [
    ["Processor", node.cpu_percent === null ? "–" : `${plain(node.cpu_percent)} %`],
    ["Memory", bytes(node.memory_bytes)],
    ["Keeps", bytes(node.chunk_bytes)],
    ["Chunks", plain(node.chunks)],
    ["Round trip", roundTrip(node, mesh)],
    ["Loop lag", plain(node.loop_lag_ms, "ms")],
    ["Can be freed", bytes(node.reclaimable_bytes)],
    ["Full check", scrubbed(node)],
  ];
  const damaged = node.scrub_found ?? 0;
  const up_s = since(node.started_at, nodeNow());
  return (
    <article className="node" data-node={node.id} data-state={node.state}>
      <header>
        <h2>
          <span className="dot" data-state={node.state} /> {node.name}
        </h2>
        <span className="hint">
          {node.self ? "This node" : (STATE[node.state] ?? node.state)}
          {node.read_only !== null && " · read-only"}
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
      {node.read_only !== null && (
        <p className="card-warn" data-testid="read-only">
          {readOnly(node.read_only)}
        </p>
      )}
      {damaged > 0 && (
        <p className="card-warn">
          {counted(damaged, "damaged chunk was", "damaged chunks were")} found by checking, and fetched again from other
          nodes.
        </p>
      )}
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
        <p className="hint">{admits(node, mesh) ? "Can let machines in and revoke them." : "Cannot let machines in."}</p>
        <div className="row node-actions">
          {node.http_url !== null && !node.self && node.state !== "revoked" && (
            <a className="button" href={node.http_url} rel="noreferrer">
              Open its viewer
            </a>
          )}
          <Standing node={node} mesh={mesh} onChanged={onChanged} />
        </div>
      </details>
    </article>
  );
}

/** Why it takes no new chunks, and what to do. */
function readOnly({ by, why, rows }: NonNullable<Node["read_only"]>): string {
  if (by === "setting") {
    return "It serves all it has and takes nothing new, as its setting storage.read_only says. Other nodes stand in.";
  }
  const behind = rows ? "" : " What it knows of the catalogue may be behind and does not count.";
  return `Its disk takes no writes: ${sentence(why)} It serves all it has, and other nodes stand in.${behind} Mend the disk, or drain the node.`;
}

function admits(node: Node, mesh: Nodes): boolean {
  return node.state !== "revoked" && mesh.standing.admitting.includes(node.id);
}

/** The round trip, and by way of whom where the two nodes cannot reach each other. */
function roundTrip(node: Node, mesh: Nodes): string {
  if (node.self) return "this node";
  const took = plain(node.state === "alive" ? node.rtt_ms : null, "ms");
  if (node.relay === null) return took;
  return `${took} via ${mesh.nodes.find((one) => one.id === node.relay)?.name ?? node.relay.slice(0, 8)}`;
}

/** When its disk was last read and checked as a whole. */
function scrubbed(node: Node): string {
  if (node.state !== "alive") return DASH;
  if (node.scrub_ended_at !== null) return shortMoment(node.scrub_ended_at);
  return node.scrub_began_at === null ? "none yet" : "under way";
}

/** What an admin can do about another node's place in the mesh, at a node that can. */
function Standing({ node, mesh, onChanged }: { node: Node; mesh: Nodes; onChanged: () => void }) {
  const { can } = useSession();
  const { busy, error, run } = useAction();
  const say = useSay();
  const [ending, setEnding] = useState(false);
  if (!can("admin") || node.self || node.state === "revoked" || !mesh.standing.admits) return null;
  const letAdmit = (): void =>
    void run(async () => {
      await api.letAdmit(node.id);
      say(`${node.name} can let machines in too.`);
      onChanged();
    });
  return (
    <>
      {!admits(node, mesh) && node.state === "alive" && (
        <button type="button" className="button" disabled={busy} onClick={letAdmit}>
          Let it admit too
        </button>
      )}
      <button type="button" className="button" aria-label={`Revoke ${node.name}`} onClick={() => setEnding(true)}>
        Revoke…
      </button>
      {error !== null && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
      {ending && <Revoke node={node} admits={admits(node, mesh)} onClose={() => setEnding(false)} onDone={onChanged} />}
    </>
  );
}
