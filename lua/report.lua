-- report.lua
-- Tools > Wirelat Report: a window of text with the figures of the capture that is open, to read
-- and to copy from. In tshark the same text is printed at the end:
--
--   tshark -q -r FILE -X lua_script:lua/report.lua
--
-- Put it into the personal Lua plugins folder (Help > About > Folders) to have it always. Needs
-- the Wirelat plugin; says so where it is absent. Runs with Lua 5.2 (Wireshark 4.0) and 5.4 (4.4
-- and later).
--
-- SPDX-License-Identifier: GPL-2.0-or-later

-- Field.new() raises an error for a name that does not exist.
local function field(name)
    local found, result = pcall(Field.new, name)
    return found and result or nil
end

local protocols = {
    { name = "Kafka", time = field("wirelat.kafka.time") },
    { name = "MQTT", time = field("wirelat.mqtt.time") },
}
local loaded = protocols[1].time and protocols[2].time

-- The filter: frames that end an exchange. On "frame" and not on Wirelat's own tap: that is called
-- once per exchange, and each call would see the fields of every exchange of the frame again.
local ANSWERED = "wirelat.kafka.time or wirelat.mqtt.time"

local function new_figures()
    local figures = {}
    for _, protocol in ipairs(protocols) do
        figures[protocol.name] = {}
    end
    return figures
end

local function take(figures)
    for _, protocol in ipairs(protocols) do
        -- One value per exchange that ends in this frame.
        for _, time in ipairs({ protocol.time() }) do
            table.insert(figures[protocol.name], time.value:tonumber())
        end
    end
end

-- Nearest rank, as Wirelat's tables have it.
local function percentile(ordered, percent)
    return ordered[math.max(1, math.ceil(#ordered * percent / 100))]
end

local function text_of(figures)
    local lines = { string.format("%-6s%9s%10s%10s%10s%10s%10s", "", "Answered", "Mean (ms)",
        "p50 (ms)", "p95 (ms)", "p99 (ms)", "Max (ms)") }
    for _, protocol in ipairs(protocols) do
        local times, sum = figures[protocol.name], 0
        if #times > 0 then
            table.sort(times)
            for _, time in ipairs(times) do
                sum = sum + time
            end
            table.insert(lines, string.format("%-6s%9d%10.3f%10.3f%10.3f%10.3f%10.3f", protocol.name,
                #times, sum / #times * 1e3, percentile(times, 50) * 1e3, percentile(times, 95) * 1e3,
                percentile(times, 99) * 1e3, times[#times] * 1e3))
        end
    end
    if #lines == 1 then
        table.insert(lines, "No exchange of MQTT or Kafka was answered in this capture.")
    end
    return table.concat(lines, "\n") .. "\n"
end

local ABSENT = "report.lua: the Wirelat plugin is not loaded, there is nothing to report"

local function open_window()
    local window = TextWindow.new("Wirelat Report")
    if not loaded then
        window:set(ABSENT)
        return
    end
    local figures, listener = new_figures(), Listener.new("frame", ANSWERED)

    function listener.packet()
        take(figures)
    end

    function listener.reset()
        figures = new_figures()
    end

    function listener.draw()
        window:set(text_of(figures))
    end

    window:set_atclose(function()
        listener:remove()
    end)
    retap_packets()
end

if gui_enabled() then
    register_menu("Wirelat Report", open_window, MENU_TOOLS_UNSORTED)
elseif not loaded then
    print(ABSENT)
else
    local figures, listener = new_figures(), Listener.new("frame", ANSWERED)

    function listener.packet()
        take(figures)
    end

    function listener.draw()
        io.write(text_of(figures))
    end
end
