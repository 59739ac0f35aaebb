/** The kinds of addresses a node can open, with what to write for each. */
export interface Kind {
  scheme: string;
  title: string;
  begin: string;
  example: string;
  help: string;
}

export const KINDS: readonly Kind[] = [
  {
    scheme: "test:",
    title: "Test picture",
    begin: "test:",
    example: "test:",
    help: "A moving picture with a clock, a frame number and a tone. Needs no camera.",
  },
  {
    scheme: "rtsp:",
    title: "Network camera",
    begin: "rtsp://",
    example: "rtsp://user:password@192.168.1.20:554/stream1",
    help: "The camera's RTSP address, with its user and password where it has them. They are kept apart and never shown.",
  },
  {
    scheme: "v4l2:",
    title: "Device",
    begin: "v4l2:",
    example: "v4l2:/dev/video0",
    help: "A capture device of that node. Those it finds are listed above.",
  },
  {
    scheme: "file:",
    title: "File as camera",
    begin: "file:",
    example: "file:/srv/clips/street.mp4?loop",
    help: "A file in one of that node's media folders, played as if it were live. Add ?loop to begin again at its end.",
  },
];

/** The number of an address's kind; the first kind where it is none. */
export function kindOf(url: string): number {
  return Math.max(
    0,
    KINDS.findIndex((kind) => url.startsWith(kind.scheme)),
  );
}
