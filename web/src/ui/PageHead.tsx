import type { ReactNode } from "react";

export function PageHead({ title, sub, back, children }: { title: string; sub?: ReactNode; back?: ReactNode; children?: ReactNode }) {
  return (
    <header className="page-head">
      {back}
      <div className="page-title">
        <h1>{title}</h1>
        {sub !== undefined && <p className="sub">{sub}</p>}
      </div>
      {children !== undefined && <div className="page-actions">{children}</div>}
    </header>
  );
}
