import * as z from 'zod';
import type { AdminEndpoint } from './endpoint.ts';
import { refused } from './schemas.ts';

/** Of the description, which changes with the calls. */
const version = '1';

/** What an error of the distribution API looks like (distribution-spec "Error Codes"). */
const apiError = {
  type: 'object',
  required: ['errors'],
  properties: {
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['code', 'message'],
        properties: { code: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
};

/** The calls as OpenAPI 3.1 describes them. */
export function descriptionOf(endpoints: readonly AdminEndpoint[]): object {
  const byPath = Map.groupBy(endpoints, ({ path }) => path);
  const paths = Array.from(byPath, ([path, rows]) => [
    path,
    Object.fromEntries(rows.map((row) => [row.method.toLowerCase(), operationOf(row)])),
  ]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'ociregistry administration',
      version,
      description: 'For who shows the credential of `admin`; without one for who is on the same machine.',
    },
    security: [{ basic: [] }, { bearer: [] }, {}],
    paths: Object.fromEntries(paths),
    components: {
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
      schemas: { Error: apiError },
    },
  };
}

function operationOf({ method, path, about, parameters, text, json, refusal }: AdminEndpoint): object {
  const plain = text && { 'text/plain': { schema: { type: 'string', description: text } } };
  const failed = { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } };
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/\W+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary: about,
    parameters: Object.entries(parameters).map(([name, parameter]) => ({
      ...{ name, in: 'query', required: parameter.isRequired },
      ...{ description: parameter.about, schema: parameter.schema },
    })),
    responses: {
      200: {
        description: 'It is done',
        content: { ...plain, 'application/json': { schema: schemaOf(json) } },
      },
      400: {
        description: 'A parameter is wrong',
        content: {
          'text/plain': {
            schema: {
              type: 'string',
              pattern: `^${refusal}\n`,
              description: 'the original’s words; below them which is wrong, and what may stand there',
            },
          },
          'application/json': { schema: schemaOf(refused) },
        },
      },
      401: { description: 'The credential is missing or wrong', content: failed },
      403: { description: 'Who asks is not on this machine, or may be a web page', content: failed },
      429: { description: 'Too many wrong credentials came from this address', content: failed },
    },
  };
}

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema);
  return rest;
}
