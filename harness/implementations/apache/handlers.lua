-- The handlers of ../HANDLERS.md for Apache httpd, with mod_lua's ordinary API.
-- mod_reflector echoes content, because mod_lua cannot read chunked content.

local function query(r, name, otherwise)
  local value = ("&" .. (r.args or "")):match("&" .. name .. "=([^&]*)")
  return value or otherwise
end

local function number(r, name, otherwise)
  return tonumber(query(r, name)) or otherwise
end

local function reply(r, text)
  r.headers_out["Content-Length"] = tostring(#text)
  r:write(text)
  return apache2.OK
end

local handlers = {}

handlers["/"] = function(r) return reply(r, "ok") end

handlers["/echo"] = function(r)
  if r.method == "POST" then return apache2.DECLINED end
  return reply(r, query(r, "text", ""))
end

handlers["/ignore-body"] = function(r) return reply(r, "ignored") end

handlers["/early"] = function(r)
  reply(r, "early")
  r:flush()
  r:requestbody()
  return apache2.OK
end

handlers["/slow"] = function(r)
  r:requestbody()
  r.usleep(number(r, "ms", 100) * 1000)
  return reply(r, "slow")
end

handlers["/stream"] = function(r)
  r:requestbody()
  local chunks = number(r, "chunks", 3)
  for chunk = 1, chunks do
    if chunk == chunks then r.usleep(number(r, "ms", 0) * 1000) end
    r:write(("x"):rep(number(r, "size", 5)))
    r:flush()
  end
  return apache2.OK
end

handlers["/no-content"] = function(r) r.status = 204 return apache2.OK end

handlers["/not-modified"] = function(r)
  r.headers_out["ETag"] = '"reusespec"'
  r.status = 304
  return apache2.OK
end

handlers["/big"] = function(r)
  r:requestbody()
  local left = number(r, "size", 1048576)
  r.headers_out["Content-Length"] = tostring(left)
  local piece = ("x"):rep(32768)
  while left > 0 do
    local now = math.min(left, #piece)
    r:write(piece:sub(1, now))
    left = left - now
  end
  return apache2.OK
end

handlers["/close"] = function(r)
  r.headers_out["Connection"] = "close"
  return reply(r, "closing")
end

function handle(r)
  r.content_type = "text/plain"
  if r.method == "CONNECT" then return 405 end
  local handler = handlers[r.uri]
  if handler then return handler(r) end
  return 404
end
