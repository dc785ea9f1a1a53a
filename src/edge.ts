import { healthRoutes } from '@kiln/shared/http'
import { createEdge, openServiceOutbox } from '@kiln/shared/service'
import { createApp, serviceParts } from './app.ts'
import { loadConfig } from './config.ts'
import { connectServiceDatabase } from './infrastructure/database/connection.ts'
import type { Schema } from './infrastructure/database/schema.ts'
import { databaseProbe } from './infrastructure/probes.ts'

/** The service on hosts that start it with a request and freeze it after; docs/RUNTIMES.md says what is off there. */
export default createEdge({
  load: (env) => loadConfig(env),
  open(config, frame) {
    const db = connectServiceDatabase(config, frame)
    const parts = { ...serviceParts(config, db), events: openServiceOutbox<Schema>(config) }
    const required = frame.hasDatabase ? { database: databaseProbe(db) } : {}
    return createApp({ ...frame, ...parts }).use(healthRoutes({ required, phase: () => 'ready' }))
  },
})
