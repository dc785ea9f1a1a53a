import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { RedisOrder } from './order.ts'
import type { Recipe, ServerCommand } from './server.ts'

/** A Redis or Valkey whose files live in `folder`; in Docker they live and die with the container. */
export async function redisRecipe(order: RedisOrder, folder: string): Promise<Recipe> {
  const settings = [
    '--save',
    '',
    '--maxmemory-policy',
    'noeviction',
    '--appendonly',
    order.appendOnly ? 'yes' : 'no',
    ...order.args,
  ]
  const how =
    'binary' in order.server
      ? localServer(order.server.binary, settings, folder)
      : container(order.server.image, settings, folder)
  return {
    name: 'Redis',
    port: order.port,
    logFile: join(folder, 'redis.log'),
    isReady: answersPing,
    url: (port) => `redis://127.0.0.1:${port}`,
    stopSignals: [
      { signal: 'SIGTERM', graceMs: 10_000 },
      { signal: 'SIGKILL', graceMs: 5_000 },
    ],
    ...how,
  }
}

type How = Pick<Recipe, 'command' | 'startTimeoutMs' | 'cleanUp'>

function localServer(binary: string, settings: readonly string[], folder: string): How {
  return {
    startTimeoutMs: 15_000,
    command: (port): ServerCommand => ({
      file: binary,
      args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, ...settings],
      env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
      cwd: folder,
    }),
  }
}

function container(image: string, settings: readonly string[], folder: string): How {
  const name = `redis-${randomUUID()}`
  return {
    // The image may have to be pulled first.
    startTimeoutMs: 180_000,
    command: (port): ServerCommand => ({
      file: 'docker',
      args: [
        'run',
        '--rm',
        '--name',
        name,
        '-p',
        `127.0.0.1:${port}:6379`,
        image,
        'redis-server',
        ...settings,
      ],
      env: Object.fromEntries(Object.entries(process.env).map(([key, value]) => [key, value ?? ''])),
      cwd: folder,
    }),
    // The docker command can be killed without its container.
    cleanUp: async () => {
      spawnSync('docker', ['rm', '--force', name], { stdio: 'ignore', timeout: 15_000 })
    },
  }
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    const settle = (ready: boolean) => {
      socket.destroy()
      resolve(ready)
    }
    socket.setTimeout(1_000, () => settle(false))
    socket.once('error', () => settle(false))
    socket.once('close', () => settle(false))
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', (reply) => settle(reply.toString().startsWith('+PONG')))
  })
}
