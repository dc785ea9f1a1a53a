/**
 * Runs before the tests, once per worker: gives them `TEST_DATABASE_URL` and, where a Redis is to be had,
 * `TEST_REDIS_URL`. Servers that were not named are started here, each with a keeper that ends it with this process.
 */
import {
  chooseRedis,
  howToGetRedis,
  installRedis,
  redisLookups,
  startPostgres,
  startRedis,
} from '@kiln/shared/embedded'

// What configures a service in the developer's shell must not reach the services under test.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('SERVICE_')) delete process.env[name]
}

const [databaseUrl, redisUrl] = await Promise.all([findDatabase(), findRedis()])
process.env.TEST_DATABASE_URL = databaseUrl
if (redisUrl) process.env.TEST_REDIS_URL = redisUrl
else delete process.env.TEST_REDIS_URL

async function findDatabase(): Promise<string> {
  return process.env.TEST_DATABASE_URL || (await startPostgres()).url
}

async function findRedis(): Promise<string | undefined> {
  const choice = chooseRedis(process.env, redisLookups)
  switch (choice.from) {
    case 'environment':
      return choice.url
    case 'path':
      return (await startRedis({ server: { binary: choice.binary } })).url
    case 'docker':
      return (await startRedis({ server: { image: choice.image } })).url
    case 'apt':
      return (await startRedis({ server: { binary: installRedis() } })).url
    case 'nowhere':
      process.stderr.write(`${choice.required ? 'error: no' : 'No'} Redis for the tests; ${howToGetRedis}\n`)
      if (choice.required) process.exit(1)
  }
}
