import * as z from 'zod';
import { type KeyState, keyMeta, notYet } from './key.ts';
import { configSchema } from './schema.ts';

const notes: Readonly<Record<KeyState, string>> = {
  built: '',
  accepted: ' (accepted, without effect)',
  ignored: ` (${notYet})`,
  refused: ` (${notYet})`,
};

/** The configuration as a JSON Schema for editors. Draft 7 is what most of them read. */
export function jsonSchemaText(): string {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-7',
    override: ({ zodSchema, jsonSchema }) => {
      const meta = keyMeta(zodSchema);
      if (meta !== undefined) jsonSchema.description = `${meta.about}${notes[meta.state]}`;
    },
  });
  const { $schema, ...rest } = schema;
  return `${JSON.stringify({ $schema, title: 'Configuration of ociregistry', ...rest }, undefined, 2)}\n`;
}
