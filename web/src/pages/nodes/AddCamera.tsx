/** Adding a camera to any node: one of its devices, or an address of one of the kinds a node can open. */
import { useId, useState, type FormEvent } from "react";
import { api } from "../../api/routes.ts";
import type { Device, Node } from "../../api/types.ts";
import { useResource } from "../../api/useResource.ts";
import { go, to } from "../../app/router.ts";
import { Dialog } from "../../ui/Dialog.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { useSay } from "../../ui/toasts.tsx";
import { useAction } from "../../ui/useAction.ts";
import { sentence } from "../../words/sentence.ts";
import { KINDS, kindOf } from "./kinds.ts";

export function AddCamera({ nodes, onClose }: { nodes: readonly Node[]; onClose: () => void }) {
  const alive = nodes.filter((one) => one.state === "alive");
  const [node, setNode] = useState(alive.find((one) => one.self)?.id ?? alive[0]?.id ?? "");
  const [kind, setKind] = useState(0);
  const [url, setUrl] = useState(KINDS[0]?.begin ?? "");
  const [name, setName] = useState("");
  const { busy, error, run } = useAction();
  const say = useSay();
  const [nodeField, urlField, nameField, group] = [useId(), useId(), useId(), useId()];
  const chosen = KINDS[kind];

  const choose = (number: number): void => {
    setKind(number);
    setUrl(KINDS[number]?.begin ?? "");
  };
  const pick = (device: Device): void => {
    setUrl(device.url);
    setKind(kindOf(device.url));
    if (name === "") setName(device.name);
  };
  const add = (event: FormEvent): void => {
    event.preventDefault();
    void run(async () => {
      const camera = await api.addCamera(url.trim(), name.trim(), node);
      say(`${camera.name} was added.`);
      go(to.camera(camera.id));
    });
  };

  return (
    <Dialog title="Add camera" onClose={onClose}>
      <form className="stack" onSubmit={add}>
        <label htmlFor={nodeField}>Node it belongs to</label>
        <select id={nodeField} value={node} onChange={(event) => setNode(event.target.value)}>
          {alive.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name}
              {one.self ? " (this node)" : ""}
            </option>
          ))}
        </select>
        <DeviceList key={node} node={node} chosen={url} onPick={pick} />
        <fieldset className="kinds" aria-describedby={group}>
          <legend>Or an address</legend>
          {KINDS.map((one, number) => (
            <label key={one.scheme} className="kind">
              <input type="radio" name={group} checked={kind === number} onChange={() => choose(number)} />
              <span>{one.title}</span>
            </label>
          ))}
        </fieldset>
        <label htmlFor={urlField}>Address</label>
        <input
          id={urlField}
          className="number"
          value={url}
          required
          spellCheck={false}
          autoCapitalize="none"
          maxLength={4096}
          placeholder={chosen?.example}
          onChange={(event) => {
            setUrl(event.target.value);
            setKind(kindOf(event.target.value));
          }}
        />
        <p className="hint" id={group}>
          {chosen?.help}
        </p>
        <label htmlFor={nameField}>Name</label>
        <input id={nameField} value={name} maxLength={200} placeholder="Front door" onChange={(event) => setName(event.target.value)} />
        {error !== null && (
          <p className="field-error" role="alert">
            {error}
          </p>
        )}
        <div className="row">
          <button type="submit" className="button button-primary" disabled={busy || url.trim() === "" || node === ""}>
            {busy ? "Adding…" : "Add camera"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function DeviceList({ node, chosen, onPick }: { node: string; chosen: string; onPick: (device: Device) => void }) {
  const devices = useResource(node ? `devices/${node}` : null, (signal) => api.devices(node, signal), { every_s: 15 });
  const list = devices.data?.devices ?? [];
  return (
    <fieldset className="devices">
      <legend>Plugged into this node</legend>
      {devices.error !== null && <ErrorNote text={devices.error} retry={devices.reload} />}
      {devices.data === null && devices.error === null && <p className="hint">Looking…</p>}
      {devices.data !== null && list.length === 0 && (
        <p className="hint">{sentence(devices.data.note ?? "") || "No camera is plugged in there. Plug one in and it shows up here, or use an address."}</p>
      )}
      {list.map((device) => (
        <button
          type="button"
          key={device.stable_id || device.url}
          className="device"
          aria-pressed={device.url === chosen}
          disabled={device.error !== null && device.error !== ""}
          onClick={() => onPick(device)}
        >
          <strong>{device.name}</strong>
          <span className="hint">{device.error || formats(device)}</span>
        </button>
      ))}
    </fieldset>
  );
}

function formats(device: Device): string {
  const largest = [...device.formats].sort((one, other) => other.width * other.height - one.width * one.height)[0];
  if (largest === undefined) return device.url;
  const rate = Math.max(0, ...largest.rates);
  return `${largest.format}, up to ${largest.width}×${largest.height}${rate > 0 ? ` at ${Math.round(rate)} fps` : ""}`;
}
