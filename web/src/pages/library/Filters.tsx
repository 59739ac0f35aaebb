import { useEffect, useId, useRef, useState, type ReactNode } from "react";
import { api } from "../../api/routes.ts";
import { useResource } from "../../api/useResource.ts";
import { Icon } from "../../ui/Icon.tsx";
import { ORDERS, type Filters as Chosen } from "./filters.ts";

const TYPING_MS = 300;

/** A field with its label. */
export function Field({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id)}
    </div>
  );
}

/** Give `onText` what was typed, once the typing pauses. */
export function TypedText(props: { id: string; value: string; type?: string; placeholder?: string; onText: (text: string) => void }) {
  const { value, onText } = props;
  const [text, setText] = useState(value);
  const told = useRef(value);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => {
    // The address changed by something else than this field.
    if (value !== told.current) {
      told.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const tell = (next: string): void => {
    window.clearTimeout(timer.current);
    told.current = next.trim();
    onText(next.trim());
  };
  return (
    <input
      id={props.id}
      type={props.type ?? "text"}
      placeholder={props.placeholder}
      value={text}
      onChange={(event) => {
        const next = event.target.value;
        setText(next);
        window.clearTimeout(timer.current);
        timer.current = window.setTimeout(() => tell(next), TYPING_MS);
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter") tell(text);
      }}
    />
  );
}

export function Filters({ filters, onChange }: { filters: Chosen; onChange: (part: Partial<Chosen>) => void }) {
  const cameras = useResource("cameras", (signal) => api.cameras(signal), { topics: ["camera."], every_s: 120 });
  const hidden = [filters.kind, filters.camera, filters.tag, filters.since, filters.until].filter((one) => one !== "").length;
  const [open, setOpen] = useState(hidden > 0);
  const more = useId();
  const list = cameras.data?.cameras ?? [];
  const unknown = filters.camera !== "" && list.every((camera) => camera.id !== filters.camera);
  return (
    <search className="filters" aria-label="Filter the library">
      <div className="filters-first">
        <Field label="Text in names and tags">
          {(id) => (
            <TypedText id={id} type="search" placeholder="Name, tag…" value={filters.text} onText={(text) => onChange({ text })} />
          )}
        </Field>
        <button
          type="button"
          className="button filters-more"
          aria-expanded={open}
          aria-controls={more}
          onClick={() => setOpen(!open)}
        >
          <Icon name="filter" /> Filters{hidden > 0 ? ` (${hidden})` : ""}
        </button>
        <Field label="Order">
          {(id) => (
            <select id={id} value={filters.sort} onChange={(event) => onChange({ sort: event.target.value })}>
              {Object.entries(ORDERS).map(([name, order]) => (
                <option key={name} value={name}>
                  {order.title}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <div className="filters-rest" id={more} hidden={!open}>
        <Field label="Kind">
          {(id) => (
            <select id={id} value={filters.kind} onChange={(event) => onChange({ kind: event.target.value })}>
              <option value="">All kinds</option>
              <option value="take">Takes</option>
              <option value="video">Videos</option>
              <option value="image">Pictures</option>
              <option value="audio">Sound</option>
              <option value="other">Other files</option>
            </select>
          )}
        </Field>
        <Field label="Camera">
          {(id) => (
            <select id={id} value={filters.camera} onChange={(event) => onChange({ camera: event.target.value })}>
              <option value="">All cameras</option>
              {list.map((camera) => (
                <option key={camera.id} value={camera.id}>
                  {camera.name}
                </option>
              ))}
              {unknown && <option value={filters.camera}>A camera that was removed</option>}
            </select>
          )}
        </Field>
        <Field label="Tag">
          {(id) => <TypedText id={id} value={filters.tag} placeholder="Any" onText={(tag) => onChange({ tag })} />}
        </Field>
        <Field label="From">
          {(id) => <input id={id} type="date" value={filters.since} max={filters.until || undefined} onChange={(event) => onChange({ since: event.target.value })} />}
        </Field>
        <Field label="To">
          {(id) => <input id={id} type="date" value={filters.until} min={filters.since || undefined} onChange={(event) => onChange({ until: event.target.value })} />}
        </Field>
        {hidden > 0 && (
          <button
            type="button"
            className="button button-quiet"
            onClick={() => onChange({ kind: "", camera: "", tag: "", since: "", until: "" })}
          >
            Clear
          </button>
        )}
      </div>
    </search>
  );
}
