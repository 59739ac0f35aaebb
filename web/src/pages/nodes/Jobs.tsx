/** The analysis under way: how much there is, and what failed and why. */
import { api } from "../../api/routes.ts";
import { useResource } from "../../api/useResource.ts";
import { to } from "../../app/router.ts";
import { useSession } from "../../app/session.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { useAction } from "../../ui/useAction.ts";
import { counted } from "../../words/amounts.ts";
import { workKind, workState } from "../../words/work.ts";

const SHOWN_MAX = 20;

export function Jobs() {
  const jobs = useResource("jobs", (signal) => api.jobs(signal), { topics: ["job."], every_s: 10 });
  const { can } = useSession();
  const retrying = useAction();
  const all = jobs.data?.jobs ?? [];
  const states = new Map<string, number>();
  for (const job of all) states.set(job.state, (states.get(job.state) ?? 0) + 1);
  const wrong = all.filter((job) => job.error !== null && job.error !== "");
  const open = all.filter((job) => (job.state === "leased" || job.state === "queued") && !wrong.includes(job));
  return (
    <section className="panel" aria-label="Analysis">
      <h2>Analysis</h2>
      {jobs.error !== null && <ErrorNote text={jobs.error} retry={jobs.reload} />}
      {jobs.data !== null && all.length === 0 && <p className="hint">Nothing is waiting to be looked at.</p>}
      {retrying.error !== null && <ErrorNote text={retrying.error} />}
      {states.size > 0 && (
        <p>
          {counted(all.length, "job", "jobs")}:{" "}
          {[...states].sort().map(([state, count]) => `${count} ${workState(state)}`).join(", ")}
        </p>
      )}
      {open.length > 0 && (
        <ul className="job-errors">
          {open.slice(0, SHOWN_MAX).map((job) => (
            <li key={job.id}>
              <a href={to.asset(job.asset)}>{job.asset_name ?? job.asset}</a>, {workKind(job.kind)}: {workState(job.state)}
              {job.node !== null && <> on {job.node_name ?? job.node.slice(0, 8)}</>}
            </li>
          ))}
        </ul>
      )}
      {wrong.length > 0 && (
        <ul className="job-errors">
          {wrong.slice(0, SHOWN_MAX).map((job) => (
            <li key={job.id}>
              <a href={to.asset(job.asset)}>{job.asset_name ?? job.asset}</a>, {workKind(job.kind)}, after{" "}
              {counted(job.attempts, "attempt", "attempts")}: {job.error}
              {job.state === "failed" && can("operator") && (
                <>
                  {" "}
                  <button
                    type="button"
                    className="button"
                    disabled={retrying.busy}
                    onClick={() =>
                      void retrying.run(async () => {
                        await api.retryJobs(job.asset);
                        jobs.reload();
                      })
                    }
                  >
                    Try again
                  </button>
                </>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
