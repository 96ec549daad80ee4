/*
 * Builds the pages and the datafeed into the Python package: `node build.js [--watch]`.
 *
 * Everything a browser needs lies in the output: nothing is fetched from elsewhere, no script or style is inline.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build, context } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = join(here, "..", "ohlcv_assets", "web");
const libraries = ["lightweight-charts", "fancy-canvas"];

const shared = {
  bundle: true,
  format: "esm",
  target: ["es2022"],
  minify: true,
  legalComments: "none", // licenses.txt has them in full
  outdir: out,
  logLevel: "warning",
};

const pages = {
  ...shared,
  absWorkingDir: here,
  entryPoints: {
    page: "src/page/main.ts",
    "page-style": "src/page/page.css",
    operator: "src/operator/main.ts",
    "operator-style": "src/operator/operator.css",
  },
  entryNames: "assets/[name]-[hash]",
  metafile: true,
  plugins: [{ name: "html", setup: (watched) => watched.onEnd(writePages) }],
};

const datafeed = {
  ...shared,
  absWorkingDir: here,
  entryPoints: { datafeed: "src/datafeed/datafeed.ts" },
  minify: false,
};

/** Write the pages with the names that the bundles got, which change with their content. */
function writePages({ metafile }) {
  if (metafile === undefined) return;
  const named = Object.entries(metafile.outputs).map(([path, { entryPoint }]) => [
    entryPoint,
    `assets/${basename(path)}`,
  ]);
  const names = Object.fromEntries(named);
  const icon = hashed("favicon.svg");
  writePage("index.html", { "page.css": names["src/page/page.css"], "page.js": names["src/page/main.ts"] });
  writePage("operator.html", {
    "operator.css": names["src/operator/operator.css"],
    "operator.js": names["src/operator/main.ts"],
  });

  function writePage(page, bundles) {
    const html = readFileSync(join(here, page), "utf8").replace("favicon.svg", icon);
    writeFileSync(
      join(out, page),
      Object.entries(bundles).reduce((text, [name, bundle]) => text.replace(name, bundle), html),
    );
  }
}

function hashed(file) {
  const digest = createHash("sha256")
    .update(readFileSync(join(here, file)))
    .digest("hex")
    .slice(0, 8)
    .toUpperCase();
  const name = `assets/${file.replace(".", `-${digest}.`)}`;
  copyFileSync(join(here, file), join(out, name));
  return name;
}

function writeLicenses() {
  const parts = libraries.map((name) => {
    const { version, license } = JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"), "utf8"));
    const notice = readFileSync(join(here, "licenses", `${name}.txt`), "utf8");
    return `${name} ${version} (${license})\n\n${notice}`;
  });
  const apache = readFileSync(join(here, "node_modules", "lightweight-charts", "LICENSE"), "utf8");
  writeFileSync(join(out, "licenses.txt"), `${parts.join(`\n${"-".repeat(80)}\n`)}\n${"-".repeat(80)}\n${apache}`);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, "assets"), { recursive: true });
writeLicenses();
if (process.argv.includes("--watch")) {
  await Promise.all([pages, datafeed].map(async (options) => (await context(options)).watch()));
} else {
  await Promise.all([build(pages), build(datafeed)]);
}
