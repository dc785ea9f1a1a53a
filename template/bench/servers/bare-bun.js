/** Nothing but `Bun.serve`: the most that Bun gives on this machine. */
Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.env.PORT),
  routes: { '/api/my-endpoint': () => Response.json({ message: 'Hello from my service!' }) },
})
