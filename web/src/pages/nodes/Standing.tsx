/** Who can let machines in, and who was ended for ever. */
import { api } from "../../api/routes.ts";
import type { Nodes } from "../../api/types.ts";
import { useSession } from "../../app/session.tsx";
import { WarningNote } from "../../ui/notes.tsx";
import { useSay } from "../../ui/toasts.tsx";
import { useAction } from "../../ui/useAction.ts";
import { sentence } from "../../words/sentence.ts";

/** A mesh of several nodes that hangs on one, or on none, to let others in. */
export function AdmitWarning({ mesh, onChanged }: { mesh: Nodes; onChanged: () => void }) {
  const { can } = useSession();
  const say = useSay();
  const { busy, error, run } = useAction();
  const { admitting, admits } = mesh.standing;
  const others = mesh.nodes.filter((node) => node.state !== "revoked" && node.state !== "left");
  const there = mesh.nodes.filter(
    (node) => admitting.includes(node.id) && node.state !== "dead" && node.state !== "revoked",
  );
  if (others.length < 2 || there.length > 1) return null;
  const only = there[0];
  const able = others.filter((node) => node.state === "alive" && !admitting.includes(node.id));
  if (only === undefined) {
    return (
      <WarningNote>
        No node that is there can let machines in or revoke. Start one that could, or begin a new mesh with a secret.
      </WarningNote>
    );
  }
  const name = only.self ? "This node" : only.name;
  const act = (id: string, who: string): void =>
    void run(async () => {
      await api.letAdmit(id);
      say(`${who} can let machines in too.`);
      onChanged();
    });
  return (
    <div data-testid="one-admits">
      <WarningNote>
        {name} alone can let machines in and revoke them. If it is lost, nobody can.{" "}
        {told(can("admin"), admits, name)}
      </WarningNote>
      {can("admin") && admits && able.length > 0 && (
        <div className="row after-note">
          {able.slice(0, 4).map((node) => (
            <button key={node.id} type="button" className="button" disabled={busy} onClick={() => act(node.id, node.name)}>
              Let {node.name} admit too
            </button>
          ))}
        </div>
      )}
      {error !== null && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

function told(admin: boolean, admits: boolean, name: string): string {
  if (!admin) return "An admin can let another node do it too.";
  return admits ? "Let another node do it too." : `In the viewer of ${name} another can be let do it too.`;
}

/** Others do not take this node: it was revoked, or its certificate ended, or they are of another mesh. */
export function RefusedNote({ mesh }: { mesh: Nodes }) {
  const { refused } = mesh.standing;
  if (refused.length === 0) return null;
  const reasons = [...new Set(refused.map((one) => one.reason))];
  return (
    <div data-testid="refused">
      <WarningNote>
        {refused.length === 1 ? "A node does" : `${refused.length} nodes do`} not take this one (
        {refused.map((one) => one.address).join(", ")}): {reasons.join("; ")}
      </WarningNote>
    </div>
  );
}

/** What is wrong with this node's place in the mesh, as `thatdam status` says it. */
export function Attention({ mesh }: { mesh: Nodes }) {
  return (
    <>
      {mesh.standing.warnings.map((text) => (
        <div key={text} data-testid="attention">
          <WarningNote>{sentence(text)}</WarningNote>
        </div>
      ))}
    </>
  );
}

export function RevokedNodes({ mesh }: { mesh: Nodes }) {
  const { revoked } = mesh.standing;
  if (revoked.length === 0) return null;
  const names = new Map(mesh.nodes.map((node) => [node.id, node.name]));
  return (
    <details className="panel revoked-panel" data-testid="revoked">
      <summary>Revoked: {revoked.length}</summary>
      <ul className="revoked">
        {revoked.map((one) => (
          <li key={one.id}>
            <span>{names.get(one.id) ?? ""}</span> <span className="number hint">{one.id.slice(0, 12)}</span>
            <p>{one.reason || "No reason was given."}</p>
          </li>
        ))}
      </ul>
    </details>
  );
}
