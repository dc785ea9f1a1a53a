import { fileURLToPath } from 'node:url'
import type { Command } from './server.ts'

/** What the servers share: one database, one key. */
export interface Shared {
  readonly databaseUrl: string
  readonly jwtSecret: string
  /** Takes spans and throws them away. */
  readonly collectorUrl: string
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const script = (name: string) =>
  fileURLToPath(new URL(`servers/${name}.${name === 'parts' ? 'ts' : 'js'}`, import.meta.url))

const kiln = (shared: Shared) => service(process.execPath, ['src/main.ts', 'serve'], shared)

const commands = {
  'Bun.serve': (shared: Shared) => other('bare-bun', shared),
  'Bun.serve, same headers': (shared: Shared) => other('dressed-bun', shared),
  Elysia: (shared: Shared) => other('bare-elysia', shared),
  'Kysely on pg': (shared: Shared) => other('plain-kysely', shared),
  Kiln: kiln,
  'Kiln, nothing observed': (shared: Shared) => withParts('errors,body,schema,auth', shared),
  'Kiln, 10 % traced': (shared: Shared) => traced(kiln(shared), 0.1, shared),
  'Kiln, all traced': (shared: Shared) => traced(kiln(shared), 1, shared),
  'observed, 10 % traced': (shared: Shared) => traced(observed(shared), 0.1, shared),
  'observed, all traced': (shared: Shared) => traced(observed(shared), 1, shared),
  'Fastify on Node': (shared: Shared) => other('fastify', shared, 'node'),
  'Hono on Bun': (shared: Shared) => other('hono', shared),
  '+ response schema': (shared: Shared) => withParts(upTo('schema'), shared),
  '+ request context': (shared: Shared) => withParts(upTo('context'), shared),
  '+ errors, bodies': (shared: Shared) => withParts(upTo('body'), shared),
  '+ metrics': (shared: Shared) => withParts(upTo('metrics'), shared),
  '+ access log': (shared: Shared) => withParts(upTo('log'), shared),
  '+ traces, 10 %': (shared: Shared) => traced(withParts(upTo('traces'), shared), 0.1, shared),
  '+ security headers': (shared: Shared) => traced(withParts(upTo('guard'), shared), 0.1, shared),
  '+ rate limits': (shared: Shared) => traced(withParts(upTo('limits'), shared), 0.1, shared),
} satisfies Record<string, (shared: Shared) => Command>

/** In the order in which they are added. */
const parts = ['schema', 'context', 'errors', 'body', 'metrics', 'log', 'traces', 'guard', 'limits'] as const

/** This part of the service and all before it. */
const upTo = (last: (typeof parts)[number]) => parts.slice(0, parts.indexOf(last) + 1).join()

/** Everything that is to be known of a request, and none of what protects the service. */
const observed = (shared: Shared) => withParts(`${upTo('traces')},auth`, shared)

export type Subject = keyof typeof commands
export const commandOf = (subject: Subject, shared: Shared): Command => commands[subject](shared)

/** The service as it runs in production; `args` come after the program's file. */
export function service(file: string, args: readonly string[], { databaseUrl, jwtSecret }: Shared): Command {
  return {
    file,
    args,
    cwd: root,
    env: (port) => ({
      SERVICE_HOST: '127.0.0.1',
      SERVICE_PORT: String(port),
      SERVICE_DATABASE_URL: databaseUrl,
      SERVICE_REDIS_URL: 'memory://',
      SERVICE_SINGLE_REPLICA: 'true',
      SERVICE_JWT_SECRET_KEY: jwtSecret,
      // Counted as in production, though all the load is one client's.
      SERVICE_RATE_LIMIT_ADDRESS: '1000000000',
      SERVICE_RATE_LIMIT_USER: '1000000000',
    }),
  }
}

/** The same program with spans for so many of its requests, 0 to 1. */
function traced(command: Command, ratio: number, { collectorUrl }: Shared): Command {
  return {
    ...command,
    env: (port) => ({
      ...command.env(port),
      OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: String(ratio),
      OTEL_BSP_MAX_QUEUE_SIZE: '100000',
    }),
  }
}

/** Elysia with these parts of the service. */
function withParts(parts: string, shared: Shared): Command {
  const command = other('parts', shared)
  return { ...command, env: (port) => ({ ...command.env(port), PARTS: parts }) }
}

function other(name: string, { databaseUrl, jwtSecret }: Shared, runtime = process.execPath): Command {
  return {
    file: runtime,
    args: [script(name)],
    env: (port) => ({
      PORT: String(port),
      DATABASE_URL: databaseUrl,
      JWT_SECRET: jwtSecret,
      NODE_ENV: 'production',
    }),
  }
}

export interface Case {
  /** `GET /protected` */
  readonly route: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly withToken: boolean
  readonly subjects: readonly Subject[]
}

/** What is measured. The first subject of a case is what its others are compared with. */
export const cases: readonly Case[] = [
  {
    route: 'GET /api/my-endpoint',
    method: 'GET',
    path: '/api/my-endpoint',
    withToken: false,
    subjects: ['Elysia', 'Bun.serve', 'Kiln', 'Fastify on Node', 'Hono on Bun'],
  },
  {
    route: 'GET /protected',
    method: 'GET',
    path: '/protected',
    withToken: true,
    subjects: ['Kiln', 'Fastify on Node', 'Hono on Bun'],
  },
  {
    route: 'GET /api/users/:id',
    method: 'GET',
    path: '/api/users/1',
    withToken: true,
    subjects: ['Kysely on pg', 'Kiln', 'Fastify on Node', 'Hono on Bun'],
  },
  {
    route: 'POST /api/users',
    method: 'POST',
    path: '/api/users',
    withToken: true,
    subjects: ['Kiln', 'Fastify on Node', 'Hono on Bun'],
  },
]

/** What each part of the service costs, one more with each line. */
export const partCases: readonly Case[] = [
  {
    route: 'GET /api/my-endpoint',
    method: 'GET',
    path: '/api/my-endpoint',
    withToken: false,
    subjects: [
      'Elysia',
      '+ response schema',
      '+ request context',
      '+ errors, bodies',
      '+ metrics',
      '+ access log',
      '+ traces, 10 %',
      '+ security headers',
      '+ rate limits',
    ],
  },
]

/** What observing costs: the first has none of it, nor errors, bodies and schemas. */
export const taxCases: readonly Case[] = (
  [
    ['/api/my-endpoint', false],
    ['/protected', true],
  ] as const
).map(([path, withToken]) => ({
  route: `GET ${path}`,
  method: 'GET',
  path,
  withToken,
  subjects: [
    'Elysia',
    ...(withToken ? [] : (['Bun.serve, same headers'] as const)),
    'Kiln, nothing observed',
    'observed, 10 % traced',
    'observed, all traced',
    'Kiln',
    'Kiln, 10 % traced',
    'Kiln, all traced',
  ],
}))
