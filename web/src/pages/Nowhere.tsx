import { to } from "../app/router.ts";
import { Empty } from "../ui/notes.tsx";

export function Nowhere() {
  return (
    <Empty icon="search" title="There is no such page">
      <p>The address may be from an older version, or cut short.</p>
      <a className="button button-primary" href={to.wall()}>
        Go to the live wall
      </a>
    </Empty>
  );
}
