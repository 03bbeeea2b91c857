import type { AdminEndpoint } from '../admin/endpoint.ts';
import { adminEndpoints } from '../admin/endpoints.ts';
import { code, generated, page, plain, table } from './markdown.ts';

export function adminPage(): string {
  return page(
    '# Administration',
    generated,
    'Calls below `/cmd` at the main port: those of Ociregistry 1.17 as they were, then ours. [How to use them](../how-to/administer.md). They answer lines for people (`text/plain`), and JSON to whoever sends `Accept: application/json`; `/cmd/openapi.json` describes that. Lists are sent page by page, as fast as they are read.',
    'A call that takes `image` or `pattern` needs one of the two. A parameter that is wrong, unknown or there twice is 400, with the words of the original, and a line below them that says which and what may stand there; who may not ask is 401, 403 or 429, with a reason. None takes a body.',
    ...adminEndpoints.flatMap(section),
  );
}

function section({ method, path, about, parameters, text, isServed }: AdminEndpoint): string[] {
  const rows = Object.entries(parameters).map(([name, parameter]) => [
    code(name),
    `${plain(parameter.about)}${parameter.isRequired ? '. Required' : ''}`,
  ]);
  const sometimes = isServed === undefined ? '' : ' Only where the server can do it.';
  return [
    `## ${method} ${path}`,
    `${about}.${sometimes}`,
    ...(rows.length === 0 ? [] : [table(['Parameter', 'Meaning'], rows)]),
    ...(text === undefined ? [] : [`Lines: ${text}.`]),
  ];
}
