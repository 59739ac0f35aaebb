/** What is around every page: the way to the others, and whether live updates come. */
import { useEffect, useRef, type ReactNode } from "react";
import { useFeedState } from "../api/useResource.ts";
import { Icon, type IconName } from "../ui/Icon.tsx";
import { to, type Route } from "./router.ts";
import { useSession } from "./session.tsx";

interface Place {
  href: string;
  name: string;
  icon: IconName;
  pages: readonly Route["page"][];
}

const PLACES: readonly Place[] = [
  { href: to.wall(), name: "Live", icon: "live", pages: ["wall", "camera"] },
  { href: to.library(), name: "Library", icon: "library", pages: ["library", "asset"] },
  { href: to.search(), name: "Search", icon: "search", pages: ["search"] },
  { href: to.nodes(), name: "Nodes", icon: "nodes", pages: ["nodes", "layout"] },
];

const TITLE: Record<Route["page"], string> = {
  wall: "Live",
  camera: "Camera",
  library: "Library",
  asset: "Library",
  search: "Search",
  nodes: "Nodes",
  layout: "Layout",
  admin: "Account",
  nowhere: "Not found",
};

export function Shell({ route, children }: { route: Route; children: ReactNode }) {
  const { can } = useSession();
  const feed = useFeedState();
  const main = useRef<HTMLElement>(null);
  const before = useRef(route.page + route.id);
  const account: Place = { href: to.admin(), name: can("admin") ? "Admin" : "Account", icon: "person", pages: ["admin"] };

  useEffect(() => {
    document.title = `${TITLE[route.page]} · ThatDAM`;
    if (before.current === route.page + route.id) return;
    before.current = route.page + route.id;
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [route.page, route.id]);

  return (
    <div className="shell">
      <button type="button" className="skip" onClick={() => main.current?.focus()}>
        Skip to the page
      </button>
      <nav className="rail" aria-label="Pages">
        <a className="brand" href={to.wall()} aria-label="ThatDAM, live">
          <span className="brand-dot" aria-hidden="true" />
        </a>
        {[...PLACES, account].map((place) => {
          const here = place.pages.includes(route.page);
          return (
            <a key={place.name} href={place.href} className="rail-link" aria-current={here ? "page" : undefined}>
              <Icon name={place.icon} />
              <span>{place.name}</span>
            </a>
          );
        })}
        <span className="rail-feed" data-feed={feed} role="status">
          {feed === "open" ? "" : "Updates are slow: reconnecting"}
        </span>
      </nav>
      <main ref={main} id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}
