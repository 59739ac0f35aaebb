/** The viewer's few icons, drawn on a 24-unit grid with the text's colour. Decoration only: words are beside them. */
import type { ReactNode } from "react";

const DRAWN = {
  live: (
    <>
      <path d="M4 9V6.5A2.5 2.5 0 0 1 6.5 4H9M15 4h2.5A2.5 2.5 0 0 1 20 6.5V9M20 15v2.5a2.5 2.5 0 0 1-2.5 2.5H15M9 20H6.5A2.5 2.5 0 0 1 4 17.5V15" />
      <circle cx="12" cy="12" r="2.6" />
    </>
  ),
  library: (
    <>
      <rect x="3.5" y="6" width="17" height="13" rx="2" />
      <path d="M7 3.2h10M10.5 9.8v5.4l4.4-2.7z" />
    </>
  ),
  search: (
    <>
      <circle cx="10.5" cy="10.5" r="6.2" />
      <path d="m15.2 15.2 5 5" />
    </>
  ),
  nodes: (
    <>
      <circle cx="12" cy="5.5" r="2.4" />
      <circle cx="5.2" cy="17.5" r="2.4" />
      <circle cx="18.8" cy="17.5" r="2.4" />
      <path d="M10.9 7.6 6.4 15.4M13.1 7.6l4.5 7.8M7.6 17.5h8.8" />
    </>
  ),
  layout: (
    <>
      <rect x="3.5" y="4.5" width="17" height="15" rx="2" />
      <path d="M7 9.2h6M7 12h10M7 14.8h3.5" />
    </>
  ),
  person: (
    <>
      <circle cx="12" cy="8.2" r="3.7" />
      <path d="M4.8 20c.6-4 3.5-6 7.2-6s6.6 2 7.2 6" />
    </>
  ),
  sound: (
    <>
      <path d="M4 9.5v5h3.4L12 18.6V5.4L7.4 9.5z" />
      <path d="M15.2 9a4.2 4.2 0 0 1 0 6M17.8 6.4a8 8 0 0 1 0 11.2" />
    </>
  ),
  "sound-off": (
    <>
      <path d="M4 9.5v5h3.4L12 18.6V5.4L7.4 9.5z" />
      <path d="m15.5 9.6 5 5M20.5 9.6l-5 5" />
    </>
  ),
  full: <path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" />,
  "no-picture": (
    <>
      <path d="M3.5 7.5a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2zM15.5 10.5l5-3v9l-5-3" />
      <path d="m3 3 18 18" />
    </>
  ),
  camera: <path d="M3.5 7.5a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2zM15.5 10.5l5-3v9l-5-3" />,
  image: (
    <>
      <rect x="3.5" y="5" width="17" height="14" rx="2" />
      <path d="m4 16.5 5-4.5 4 3.5 3-2.5 4.5 4" />
      <circle cx="15.5" cy="9" r="1.3" />
    </>
  ),
  audio: <path d="M4 10v4M8 6.5v11M12 9v6M16 4.5v15M20 10v4" />,
  file: <path d="M6 3.5h8l4.5 4.5v12.5H6zM14 3.5V8h4.5" />,
  upload: <path d="M12 16V4.5M7.5 9 12 4.5 16.5 9M4.5 15.5v4h15v-4" />,
  download: <path d="M12 4.5V16M7.5 11.5 12 16l4.5-4.5M4.5 15.5v4h15v-4" />,
  trash: <path d="M4.5 6.5h15M9 6.5V4h6v2.5M6.5 6.5l.8 13.5h9.4l.8-13.5M10 10.5v5.5M14 10.5v5.5" />,
  restore: <path d="M4.5 9.5h9.5a5 5 0 0 1 0 10H9M4.5 9.5l4-4M4.5 9.5l4 4" />,
  close: <path d="m5.5 5.5 13 13M18.5 5.5l-13 13" />,
  done: <path d="m4.5 12.5 5 5 10-11" />,
  plus: <path d="M12 5v14M5 12h14" />,
  back: <path d="m14.5 5-7 7 7 7" />,
  next: <path d="m9.5 5 7 7-7 7" />,
  warning: <path d="M12 4 2.8 19.5h18.4zM12 10v4.5M12 17v.2" />,
  filter: <path d="M4 6.5h16M7 12h10M10 17.5h4" />,
  tag: <path d="M4 4.5h7.5L20 13l-7 7-9-8.5zM8 8.5v.2" />,
  gear: (
    <>
      <circle cx="12" cy="12" r="3" />
      <path d="M12 3.5v2.6M12 17.9v2.6M3.5 12h2.6M17.9 12h2.6M6 6l1.8 1.8M16.2 16.2 18 18M18 6l-1.8 1.8M7.8 16.2 6 18" />
    </>
  ),
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof DRAWN;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {DRAWN[name]}
    </svg>
  );
}
