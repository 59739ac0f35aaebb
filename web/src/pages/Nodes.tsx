/** The mesh: its nodes, how safe what they keep is, the work under way, and where cameras are added. */
import { useEffect, useState } from "react";
import { api } from "../api/routes.ts";
import type { Nodes } from "../api/types.ts";
import { useResource } from "../api/useResource.ts";
import { go, to } from "../app/router.ts";
import { useSession } from "../app/session.tsx";
import { Icon } from "../ui/Icon.tsx";
import { ErrorNote, Loading, WarningNote } from "../ui/notes.tsx";
import { PageHead } from "../ui/PageHead.tsx";
import { SOON, useAgainSoon } from "../ui/useAgainSoon.ts";
import { bytes, counted, plain } from "../words/amounts.ts";
import { lagTime } from "../words/lag.ts";
import { AddCamera } from "./nodes/AddCamera.tsx";
import { Collection } from "./nodes/Collection.tsx";
import { Invite } from "./nodes/Invite.tsx";
import { Jobs } from "./nodes/Jobs.tsx";
import { NodeCard } from "./nodes/NodeCard.tsx";
import { AdmitWarning, Attention, RefusedNote, RevokedNodes } from "./nodes/Standing.tsx";

export function NodesPage({ query }: { query: URLSearchParams }) {
  const { can } = useSession();
  const nodes = useResource("nodes", (signal) => api.nodes(signal), { topics: ["node.", "capture."], every_s: 5 });
  useAgainSoon(nodes.data?.partitions.catching_up === true ? nodes.data : null, nodes.reload);
  const adding = can("admin") ? query.get("add") : null;
  const mesh = nodes.data;
  const list = mesh?.nodes ?? [];
  const silent = list.filter((node) => node.state === "suspect").length;
  const dead = list.filter((node) => node.state === "dead").length;
  const out = list.filter((node) => node.state === "revoked").length;
  const troubles = [
    silent > 0 ? `, ${silent} not answering` : "",
    dead > 0 ? `, ${dead} dead` : "",
    out > 0 ? `, ${out} revoked` : "",
  ].join("");
  return (
    <>
      <PageHead
        title="Nodes"
        {...(nodes.data ? { sub: `${counted(list.length, "node", "nodes")}${troubles}` } : {})}
      >
        <a className="button" href={to.layout()}>
          <Icon name="layout" /> Layout
        </a>
        {can("admin") && (
          <>
            <a className="button" href={to.nodes({ add: "node" })}>
              <Icon name="nodes" /> Invite
            </a>
            <a className="button button-primary" href={to.nodes({ add: "camera" })}>
              <Icon name="plus" /> Add camera
            </a>
          </>
        )}
      </PageHead>
      {nodes.error !== null && <ErrorNote text={nodes.error} retry={nodes.reload} />}
      {nodes.data === null && nodes.error === null && <Loading what="the nodes" />}
      {mesh !== null && (
        <>
          <Safety mesh={mesh} />
          <RefusedNote mesh={mesh} />
          <Attention mesh={mesh} />
          <AdmitWarning mesh={mesh} onChanged={nodes.reload} />
          <ul className="nodes">
            {list.map((node) => (
              <li key={node.id}>
                <NodeCard node={node} mesh={mesh} onChanged={nodes.reload} />
              </li>
            ))}
          </ul>
          <Collection mesh={mesh} />
          <RevokedNodes mesh={mesh} />
          <Jobs />
        </>
      )}
      {adding === "camera" && <AddCamera nodes={list} onClose={() => go(to.nodes(), true)} />}
      {adding === "node" && <Invite onClose={() => go(to.nodes(), true)} />}
    </>
  );
}

/** What was recorded within this is on its way to its other nodes, and no alarm. */
const FRESH_S = 10;
/** While something is recorded there are nearly always fresh parts: only what stays short for this long is not one. */
const SHORT_LONG_S = 20;

/** Whether something is short of copies that should have them by now. */
function useAtRisk(mesh: Nodes): boolean {
  const { copies, nodes } = mesh;
  const short = copies.at_risk ?? 0;
  const alive = nodes.filter((node) => node.state === "alive").length;
  const damaged = nodes.some((node) => (node.chunks_damaged ?? 0) > 0);
  const beyondFresh = short > (copies.waiting ?? 0);
  const [since_ms, setSince] = useState<number | null>(null);
  useEffect(() => setSince(beyondFresh ? Date.now() : null), [beyondFresh]);
  const long = beyondFresh && since_ms !== null && Date.now() - since_ms > SHORT_LONG_S * 1000;
  return short > 0 && (alive < copies.wanted || damaged || (copies.lag_s ?? 0) > FRESH_S || long);
}

function whatToDo(unfound: number, alive: number, wanted: number): string {
  if (unfound > 0) {
    return `${counted(unfound, "part", "parts")} of what is kept cannot be found on any node that answers. Start the nodes that are gone.`;
  }
  if (alive < wanted) {
    return `Only ${counted(alive, "node is", "nodes are")} there and ${wanted} copies are wanted. Start another node to keep them.`;
  }
  return "Some things have fewer copies than wanted. Repairs make them again by themselves; keep the nodes running.";
}

function Safety({ mesh }: { mesh: Nodes }) {
  const { copies, partitions } = mesh;
  const alive = mesh.nodes.filter((node) => node.state === "alive").length;
  const atRisk = useAtRisk(mesh);
  const facts: [string, string, boolean][] = [
    ["Copies wanted", plain(copies.wanted), false],
    [atRisk || !copies.at_risk ? "Copies at risk" : "Being copied", plain(copies.at_risk), atRisk],
    ["Repairs under way", plain(copies.repairing), false],
    ["Not yet copied", bytes(copies.lag_bytes), false],
    ["Behind by", lagTime(copies.lag_s, copies.lag_bytes), (copies.lag_s ?? 0) > FRESH_S],
    ["Partitions", `${partitions.ok} of ${partitions.total}`, partitions.ok < partitions.total],
  ];
  return (
    <section aria-label="How safe it is">
      <dl className="badges badges-row" data-testid="safety">
        {facts.map(([name, value, warn]) => (
          <div key={name} data-warn={warn}>
            <dt>{name}</dt>
            <dd className="number">{value}</dd>
          </div>
        ))}
      </dl>
      {atRisk && (
        <WarningNote>
          {whatToDo(copies.unfound, alive, copies.wanted)}
        </WarningNote>
      )}
      {partitions.ok < partitions.total && (
        <WarningNote>
          {partitions.total - partitions.ok} of {partitions.total} partitions{" "}
          {partitions.catching_up
            ? `are being caught up with, as when a node joins. Lists and searches are complete again ${SOON}.`
            : "cannot be reached, so lists and searches are not complete. Start the nodes that do not answer."}
        </WarningNote>
      )}
    </section>
  );
}
