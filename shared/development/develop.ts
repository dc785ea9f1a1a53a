import { join } from 'node:path'
import { openDatabase, openEvents } from './backends.ts'
import { admin, banner } from './banner.ts'
import { prepare, startService, untilReady } from './service.ts'
import { assertPortFree, dataFolder, readSettings, secret } from './settings.ts'

export interface DevelopOptions {
  /** Folder with package.json, `src` and perhaps `.env`. */
  readonly project: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Runs the service for its developer, with whatever it needs and was not given, until Ctrl-C. A save restarts the
 * service alone; the servers run beside it.
 *
 * @returns the exit code; everything started has ended by then, and would also after kill -9 of this process.
 */
export async function develop({ project, environment }: DevelopOptions): Promise<number> {
  const closing: (() => Promise<void>)[] = []
  const interrupted = new Promise<'interrupted'>((resolve) => {
    // Each signal may come twice, from the terminal and from `bun run`: the second must not cut the ending short.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => resolve('interrupted'))
  })

  async function run(): Promise<never> {
    const settings = await readSettings(project, environment)
    await assertPortFree(settings.host, settings.port)
    const folder = await dataFolder(project, settings.name)
    const [database, events] = await Promise.all([
      openDatabase(settings, folder),
      openEvents(settings, folder),
    ])
    closing.push(database.close, events.close)

    const env = {
      SERVICE_DRAIN_DELAY_MS: '0',
      ...settings.env,
      ...database.env,
      ...events.env,
      ...(settings.has('SERVICE_JWT_SECRET_KEY')
        ? {}
        : { SERVICE_JWT_SECRET_KEY: await secret(join(folder, 'jwt-secret'), 60) }),
      SERVICE_PORT: String(settings.port),
      SERVICE_DEBUG: 'true',
    }
    const password = await secret(join(folder, 'admin-password'), 20)
    await prepare({ project, env, admin, password })
    const service = startService(project, env)
    closing.push(service.stop)
    const crashed = Promise.race([database.crashed, events.crashed, service.crashed])

    const reason = await Promise.race([untilReady(settings.url), crashed])
    if (reason) throw new Error(reason)
    say(banner({ ...settings, password, database: database.summary, events: events.summary }))
    throw new Error(await crashed)
  }

  try {
    await Promise.race([run(), interrupted])
    return 0
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
    return 1
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

function say(text: string): void {
  process.stdout.write(text)
}
