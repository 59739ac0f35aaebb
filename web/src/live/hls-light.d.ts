// The light build has the same interface, less what no playlist of a node uses (subtitles, DRM, alternate audio).
declare module "hls.js/light" {
  export * from "hls.js";
  export { default } from "hls.js";
}
