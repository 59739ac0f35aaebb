/** Text to carry elsewhere: shown whole, selected at a touch, with a button that copies it where the browser lets it. */
import { useEffect, useId, useState } from "react";

export function Copied({ label, text, rows }: { label: string; text: string; rows?: number }) {
  const [copied, setCopied] = useState(false);
  const id = useId();
  useEffect(() => setCopied(false), [text]);
  const copy = (): void => {
    // The clipboard is only there in a secure context; the field can be copied by hand anywhere.
    void navigator.clipboard?.writeText(text).then(() => setCopied(true), () => {});
  };
  const field = { id, className: "number", readOnly: true, value: text };
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <div className="row">
        {rows === undefined ? (
          <input {...field} onFocus={(event) => event.target.select()} />
        ) : (
          <textarea {...field} rows={rows} spellCheck={false} onFocus={(event) => event.target.select()} />
        )}
        <button type="button" className="button" onClick={copy}>
          {copied ? "Copied" : "Copy"}
        </button>
      </div>
    </>
  );
}
