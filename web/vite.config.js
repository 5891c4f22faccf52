import { readdirSync, readFileSync } from "node:fs";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// What pdf.js loads at run time, by name, from its own server: character maps of the East Asian encodings that PDF
// writers use, stand-ins for the fonts that a PDF may leave out, decoders for JPEG 2000 and JBIG2 (scans).
const PDFJS = "node_modules/pdfjs-dist/";
const CMAPS =
  /^(Uni(GB|CNS|JIS|KS)-(UCS2|UTF16)-[HV]|Adobe-(GB1|CNS1|Japan1|Korea1)-UCS2|GBK-EUC-[HV]|GBpc-EUC-[HV]|ETen-B5-[HV]|90ms-RKSJ-[HV]|90msp-RKSJ-[HV]|KSCms-UHC-[HV]|KSC-EUC-[HV]|H|V)\.bcmap$/;
const PARTS = [
  ["cmaps", (name) => CMAPS.test(name) || name === "LICENSE"],
  ["standard_fonts", (name) => !/Italic\.ttf$/.test(name)],
  ["iccs", () => true],
  ["wasm", (name) => !/quickjs|fallback/i.test(name)],
];

const pdfjsParts = {
  name: "pdfjs-parts",
  generateBundle() {
    for (const [folder, wanted] of PARTS) {
      for (const name of readdirSync(PDFJS + folder).filter(wanted)) {
        const source = readFileSync(`${PDFJS}${folder}/${name}`);
        this.emitFile({ type: "asset", fileName: `assets/pdfjs/${folder}/${name}`, source });
      }
    }
  },
};

export default defineConfig({
  plugins: [svelte(), pdfjsParts],
  build: {
    target: "es2023",
    // Nothing is written into the page as a `data:` URL: the content security policy allows our own files only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
  },
});
