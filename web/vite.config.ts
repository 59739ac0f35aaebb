import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/**
 * What the built page may load: this node's own files, and media it made itself. A viewer that asks anything of
 * another host is a bug, and the browser refuses it. Only in the build: the development server needs inline scripts.
 */
const POLICY = [
  "default-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
].join("; ");

function contentPolicy(): Plugin {
  return {
    name: "content-policy",
    apply: "build",
    transformIndexHtml: () => [
      { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: POLICY }, injectTo: "head-prepend" },
    ],
  };
}

export default defineConfig({
  base: "./",
  plugins: [react(), contentPolicy()],
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false,
  },
  server: {
    // A node to develop against: THATDAM_URL=http://127.0.0.1:8326 npm run dev
    proxy: Object.fromEntries(
      ["/api", "/hls", "/whep"].map((path) => [
        path,
        { target: process.env.THATDAM_URL ?? "http://127.0.0.1:8326", ws: true },
      ]),
    ),
  },
});
