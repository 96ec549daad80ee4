import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    coverage: {
      provider: "v8",
      reporter: ["text"],
      // What draws and listens (src/chart, src/page) is tested in a browser.
      include: ["src/core/**", "src/net/**", "src/datafeed/**"],
      exclude: ["src/datafeed/types.ts"],
      thresholds: { 100: true },
    },
  },
});
