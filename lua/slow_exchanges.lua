-- slow_exchanges.lua
-- Prints a line for each exchange that took longer than a limit, as the packets are read:
--
--   tshark -q -r FILE -X lua_script:lua/slow_exchanges.lua -X lua_script1:0.1
--
-- The limit is in seconds, 0.1 if not given. Needs the Wirelat plugin; says so where it is absent.
-- Runs with Lua 5.2 (Wireshark 4.0) and 5.4 (4.4 and later).
--
-- SPDX-License-Identifier: GPL-2.0-or-later

local limit = tonumber((...) or "") or 0.1

-- Field.new() raises an error for a name that does not exist.
local function field(name)
    local found, result = pcall(Field.new, name)
    return found and result or nil
end

local protocols = {
    { name = "Kafka", time = field("wirelat.kafka.time"), to = field("wirelat.kafka.response_to") },
    { name = "MQTT", time = field("wirelat.mqtt.time"), to = field("wirelat.mqtt.response_to") },
}

if not (protocols[1].time and protocols[2].time) then
    print("slow_exchanges.lua: the Wirelat plugin is not loaded, there is nothing to listen to")
    return
end

-- On "frame" and not on Wirelat's own tap: that is called once per exchange, and each call would
-- see the fields of every exchange of the frame again.
local listener = Listener.new("frame", string.format(
    "wirelat.kafka.time > %f or wirelat.mqtt.time > %f", limit, limit))

function listener.packet(pinfo)
    for _, protocol in ipairs(protocols) do
        -- One value per exchange that ends in this frame, in the same order for both fields.
        local times, requests = { protocol.time() }, { protocol.to() }
        for i, time in ipairs(times) do
            if time.value:tonumber() > limit then
                print(string.format("frame %d: %s answer after %.6f s, request in frame %s",
                    pinfo.number, protocol.name, time.value:tonumber(), tostring(requests[i])))
            end
        end
    end
end
