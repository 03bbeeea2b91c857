// Preloaded by the scripts that run TypeScript: an older Node would only say that it does not know the file's ending.
const needed = 24;

if (Number.parseInt(process.versions.node, 10) < needed) {
  console.error(
    `The tests need Node.js ${needed} or newer; this is ${process.version}. ` +
      '"npm ci" without --omit=optional brings one on Linux (x64, arm64).',
  );
  process.exit(1);
}
