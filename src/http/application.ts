import express, { type Express } from 'express';

/** The frame of everything that answers: it does not say what it is made of, makes no ETag of its own, and shows nobody a stack. Queries are read by whoever needs one. */
export function application(): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // What fails even here shows no stack to anybody.
  app.set('env', 'production');
  app.set('query parser', false);
  return app;
}
