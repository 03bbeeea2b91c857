import { writeFile } from 'node:fs/promises';
import { jsonSchemaText } from './json-schema.ts';

/** Writes what is generated from the configuration's schema: `node src/config/write-reference.ts`. */
await writeFile(new URL('../../config/ociregistry.schema.json', import.meta.url), jsonSchemaText());
