import { fileURLToPath } from 'node:url'
import type { Command } from './server.ts'

/** What the servers share: one database, one key. */
export interface Shared {
  readonly databaseUrl: string
  readonly jwtSecret: string
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const script = (name: string) => fileURLToPath(new URL(`servers/${name}.js`, import.meta.url))

const commands = {
  'Bun.serve': ({ databaseUrl, jwtSecret }: Shared) => other('bare-bun', { databaseUrl, jwtSecret }),
  Elysia: (shared: Shared) => other('bare-elysia', shared),
  'Kysely on pg': (shared: Shared) => other('plain-kysely', shared),
  Kiln: (shared: Shared) => service(process.execPath, ['src/main.ts', 'serve'], shared),
  'Fastify on Node': (shared: Shared) => other('fastify', shared, 'node'),
  'Hono on Bun': (shared: Shared) => other('hono', shared),
} satisfies Record<string, (shared: Shared) => Command>

export type Subject = keyof typeof commands
export const subjects = Object.keys(commands) as Subject[]
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
    }),
  }
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
