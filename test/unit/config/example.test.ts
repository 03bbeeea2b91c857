import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import type * as z from 'zod';
import { jsonSchemaText } from '#src/config/json-schema.ts';
import { keyMeta } from '#src/config/key.ts';
import { loadConfig } from '#src/config/load.ts';
import { configSchema } from '#src/config/schema.ts';
import { itemOf, keysOf, places } from '#src/config/schema-tree.ts';
import { findUnbuilt } from '#src/config/unbuilt.ts';
import { YamlSource } from '#src/config/yaml-source.ts';

const root = resolve(import.meta.dirname, '../../..');
const file = resolve(root, 'config.example.yaml');

/** The example with all that is commented out in it. */
async function uncommented(): Promise<unknown> {
  const text = (await readFile(file, 'utf8')).replaceAll(/^( *)#(?=\S| {2})/gm, '$1');
  return new YamlSource(text, 'config.example.yaml').value(configSchema);
}

/** Every key that works, without the numbers of list items: `registries[].auth.user`. */
function* builtKeys(schema: z.ZodType | undefined, path = ''): Generator<string> {
  const item = itemOf(schema);
  if (item !== undefined) yield* builtKeys(item, `${path}[]`);
  for (const [name, keySchema] of keysOf(schema)) {
    const meta = keyMeta(keySchema);
    if (meta?.state !== 'built') continue;
    // It is there to say that a secret must not stand in the file.
    if (meta.secret?.from === 'literal' && !keySchema.safeParse('x').success) continue;
    if (keysOf(keySchema).size === 0) yield `${path}.${name}`;
    yield* builtKeys(keySchema, `${path}.${name}`);
  }
}

describe('config.example.yaml', () => {
  it('loads without a warning, keeps its data in a folder that git ignores, and asks for tags again', async () => {
    const { config, warnings } = await loadConfig({ file, flags: {}, env: {} });
    assert.deepEqual(warnings, []);
    assert.deepEqual(
      [config.imagePath, config.port, config.logLevel, config.cache.freshness],
      ['./data', 8080, 'info', 300_000],
    );
    assert.ok((await readFile(resolve(root, '.gitignore'), 'utf8')).split('\n').includes('/data/'));
  });

  it('changes nothing else: what it shows as a default is one', async () => {
    const { config } = await loadConfig({ file, flags: {}, env: {} });
    const { config: standard } = await loadConfig({ flags: {}, env: {} });
    const { imagePath, logLevel, cache } = standard;
    assert.deepEqual(
      { ...config, imagePath, logLevel, cache: { ...config.cache, freshness: cache.freshness } },
      standard,
    );
  });

  it('is right also where it is commented out', async () => {
    const input = await uncommented();
    assert.deepEqual(configSchema.safeParse(input).error?.issues, undefined);
    assert.deepEqual(findUnbuilt(configSchema, input), { ignored: [], refused: [] });
  });

  it('shows every key that works', async () => {
    const shown = new Set(
      [...places(configSchema, await uncommented())].map(({ path }) =>
        path.map((step) => (typeof step === 'number' ? '[]' : `.${step}`)).join(''),
      ),
    );
    const keys = [...builtKeys(configSchema)];
    assert.ok(keys.length > 60);
    assert.deepEqual(
      keys.filter((key) => !shown.has(key)),
      [],
    );
  });
});

describe('config/ociregistry.schema.json', () => {
  it('describes every key, and says which do nothing yet', () => {
    const undescribed: string[] = [];
    const look = (schema: Record<string, unknown>, path: string): void => {
      for (const [name, key] of Object.entries<Record<string, unknown>>(Object(schema['properties']))) {
        if (typeof key['description'] !== 'string' || key['description'].includes('undefined'))
          undescribed.push(`${path}.${name}`);
        look(key, `${path}.${name}`);
        look(Object(key['items']), `${path}.${name}[]`);
      }
    };
    const schema = JSON.parse(jsonSchemaText());
    look(schema, '');
    assert.deepEqual(undescribed, []);
    assert.equal(
      schema.properties.helloWorld.description,
      'Serve a built-in hello-world image only (not available in this version yet)',
    );
    assert.equal(schema.properties.cache.properties.negativeTtl.default, '10s');
    assert.deepEqual(schema.properties.registries.items.required, ['name']);
  });
});
