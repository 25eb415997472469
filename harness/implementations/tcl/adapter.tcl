# The adapter of ../ADAPTERS.md for Tcl: `socket`, and `fconfigure` for options (-keepalive came with Tcl 9).
#
# Tcl accepts in its event loop and calls a procedure, so accepted channels wait in a list for `accept`. The loop runs
# only while `accept` or `receive` waits.

# Without this Tcl asks the resolver for the name of every address that -sockname prints.
set ::tcl::unsupported::noReverseDNS 1

array set channels {}
array set waiting {}

proc unescaped {text} {
    # JSON's escapes are escapes of Tcl.
    return [subst -nocommands -novariables $text]
}

proc quoted {text} {
    set quoted [string map [list \\ \\\\ \" \\\" \n \\n \r \\r \t \\t] $text]
    while {[regexp {[\u0000-\u001f]} $quoted control]} {
        set quoted [string map [list $control [format "\\u%04x" [scan $control %c]]] $quoted]
    }
    return "\"$quoted\""
}

proc unsupported {reason} {
    return "{\"unsupported\":[quoted $reason]}"
}

# The answer to a command that ended with an error. POSIX errors have names, others only a message.
proc failed {message options} {
    lassign [dict get $options -errorcode] class name
    return "{\"failed\":[quoted [expr {$class eq "POSIX" ? $name : $message}]]}"
}

# Splits `host:port`; brackets of IPv6 are dropped.
proc split_address {address} {
    regexp {^\[?(.*?)\]?:(\d+)$} $address -> host port
    return [list $host $port]
}

# The answer to a request that opens a socket. An earlier channel of the same name stays open.
proc opened {name channel} {
    global channels
    set channels($name) $channel
    lassign [fconfigure $channel -sockname] host unused port
    if {[string match *:* $host]} {
        set host "\[$host\]"
    }
    return "{\"opened\":{\"local\":[quoted $host:$port]}}"
}

proc accepted {name channel host port} {
    global waiting
    lappend waiting($name) $channel
    set waiting(event) accepted
}

# Runs the event loop until something happens or the time is over.
proc wait {within_ms} {
    global waiting
    set waiting(event) ""
    set timer [after $within_ms {set waiting(event) timeout}]
    vwait waiting(event)
    after cancel $timer
    return $waiting(event)
}

# Listeners are known by a number of their own: a later listener may take the name.
proc listen_tcp {request} {
    global waiting
    lassign [split_address [dict get $request at]] host port
    set options {}
    if {[dict exists $request balanced] && [dict get $request balanced]} {
        if {![package vsatisfies [info patchlevel] 9-]} {
            return [unsupported "socket has no -reuseport before Tcl 9"]
        }
        set options {-reuseport 1}
    }
    set queue listener[incr waiting(listeners)]
    set channel [socket -server [list accepted $queue] {*}$options -myaddr $host $port]
    set waiting($queue) {}
    set waiting($channel) $queue
    return [opened [dict get $request socket] $channel]
}

proc dial {request} {
    lassign [split_address [dict get $request to]] host port
    return [opened [dict get $request socket] [configured [socket $host $port]]]
}

proc configured {channel} {
    fconfigure $channel -encoding utf-8 -translation lf -buffering none
    return $channel
}

proc accept {channel request} {
    global waiting
    if {![info exists waiting($channel)]} {
        return [unsupported "only a server socket accepts"]
    }
    set queue $waiting($channel)
    set deadline [expr {[clock milliseconds] + [dict get $request within_ms]}]
    while {![llength $waiting($queue)]} {
        if {[wait [expr {max(0, $deadline - [clock milliseconds])}]] eq "timeout"} {
            return "\"nothing\""
        }
    }
    set waiting($queue) [lassign $waiting($queue) first]
    return [opened [dict get $request into] [configured $first]]
}

proc keepalive {channel request} {
    foreach key {idle_ms interval_ms count} {
        if {[dict exists $request $key]} {
            return [unsupported "fconfigure has no option for times or counts of keepalive"]
        }
    }
    return [switch_keepalive $channel 1]
}

proc switch_keepalive {channel on} {
    if {![package vsatisfies [info patchlevel] 9-]} {
        return [unsupported "fconfigure has no -keepalive before Tcl 9"]
    }
    fconfigure $channel -keepalive $on
    return "\"ok\""
}

proc send {channel request} {
    if {[dict exists $request to]} {
        return [unsupported "Tcl has no UDP"]
    }
    puts -nonewline $channel [dict get $request text]
    return "\"ok\""
}

proc receive {channel request} {
    fconfigure $channel -blocking 0
    fileevent $channel readable {set waiting(event) readable}
    try {
        set deadline [expr {[clock milliseconds] + [dict get $request within_ms]}]
        while {[set event [wait [expr {max(0, $deadline - [clock milliseconds])}]]] eq "accepted"} {}
        set text [expr {$event eq "readable" ? [read $channel] : ""}]
        if {$text ne ""} {
            return "{\"received\":[quoted $text]}"
        }
        return [expr {[eof $channel] ? "\"eof\"" : "\"nothing\""}]
    } finally {
        fileevent $channel readable {}
        fconfigure $channel -blocking 1
    }
}

proc close_socket {channel request} {
    global channels waiting
    unset channels([dict get $request socket])
    unset -nocomplain waiting($channel)
    close $channel
    return "\"ok\""
}

proc options {channel request} {
    if {![package vsatisfies [info patchlevel] 9-]} {
        return [unsupported "fconfigure reads none of these options before Tcl 9"]
    }
    return "{\"options\":{\"SO_KEEPALIVE\":[fconfigure $channel -keepalive]}}"
}

proc answer {name request} {
    global channels
    switch -- $name {
        hello {
            return "{\"hello\":{\"protocol\":2,\"name\":\"tcl\",\"version\":[quoted "Tcl [info patchlevel]"]}}"
        }
        listen-tcp { return [listen_tcp $request] }
        dial { return [dial $request] }
        bind-udp - join-multicast { return [unsupported "Tcl's core has no UDP"] }
    }
    if {![dict exists $request socket]} {
        return [unsupported "Tcl has no command for `$name`"]
    }
    if {![info exists channels([dict get $request socket])]} {
        return "{\"failed\":\"no socket has this name\"}"
    }
    set channel $channels([dict get $request socket])
    switch -- $name {
        accept { return [accept $channel $request] }
        keepalive { return [keepalive $channel $request] }
        keepalive-period { return [unsupported "fconfigure has no option for times of keepalive"] }
        keepalive-off { return [switch_keepalive $channel 0] }
        send { return [send $channel $request] }
        receive { return [receive $channel $request] }
        close-socket { return [close_socket $channel $request] }
        options { return [options $channel $request] }
    }
    return [unsupported "Tcl has no command for `$name`"]
}

# A request is a string, or an object with one key whose value is a flat object.
proc parsed {line} {
    set request {}
    if {![regexp {^\s*\{\s*"([^"]*)"\s*:\s*\{(.*)\}\s*\}\s*$} $line -> name body]} {
        return [list [string trim $line " \""] {}]
    }
    set pair {"((?:[^"\\]|\\.)*)"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))}
    foreach {unused key text word} [regexp -all -inline $pair $body] {
        dict set request $key [expr {$word eq "" ? [unescaped $text] : $word}]
    }
    return [list $name $request]
}

fconfigure stdin -encoding utf-8 -translation lf
fconfigure stdout -encoding utf-8 -translation lf -buffering line
while {[gets stdin line] >= 0} {
    lassign [parsed $line] name request
    if {[catch {answer $name $request} reply options]} {
        set reply [failed $reply $options]
    }
    puts $reply
}
exit
