# The adapter of ../ADAPTERS.md for Perl: IO::Socket::IP opens sockets, constants of Socket name the options.
#
# IO::Socket has no method for keepalive or multicast; Perl's own way is its setsockopt with constants of Socket.
use strict;
use warnings;
use JSON::PP ();
use Socket qw(:DEFAULT IPPROTO_TCP IPPROTO_IP IPPROTO_IPV6 IPV6_V6ONLY IP_ADD_MEMBERSHIP IPV6_JOIN_GROUP
  TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT SO_REUSEPORT inet_pton pack_ip_mreq pack_ipv6_mreq);

my $json = JSON::PP->new->utf8->allow_nonref->canonical;
my (%sockets, @replaced);

# How to read back each option: level and number.
my %options = (
    SO_REUSEADDR => [SOL_SOCKET, SO_REUSEADDR],
    SO_REUSEPORT => [SOL_SOCKET, SO_REUSEPORT],
    SO_KEEPALIVE => [SOL_SOCKET, SO_KEEPALIVE],
    TCP_KEEPIDLE => [IPPROTO_TCP, TCP_KEEPIDLE],
    TCP_KEEPINTVL => [IPPROTO_TCP, TCP_KEEPINTVL],
    TCP_KEEPCNT => [IPPROTO_TCP, TCP_KEEPCNT],
    IPV6_V6ONLY => [IPPROTO_IPV6, IPV6_V6ONLY],
);

# The answer to a failed call. Errno has two names for some numbers; EAGAIN and EOPNOTSUPP are the usual ones.
sub failed {
    my ($message) = @_;
    my @names = grep { $!{$_} && !/^(?:EWOULDBLOCK|ENOTSUP|EDEADLOCK)$/ } keys %!;
    return { failed => $names[0] // $message // "$!" };
}

sub unsupported { return { unsupported => $_[0] } }

sub split_address {
    my ($host, $port) = $_[0] =~ /^(.*):(\d+)$/ or die "`$_[0]` is not an address\n";
    $host =~ tr/[]//d;
    return ($host, $port);
}

# The answer to a request that opens a socket. An earlier socket of the same name stays open.
sub opened {
    my ($name, $socket) = @_;
    push @replaced, $sockets{$name} if $sockets{$name};
    $sockets{$name} = $socket;
    my $host = $socket->sockhost;
    $host = "[$host]" if $host =~ /:/;
    return { opened => { local => $host . ':' . $socket->sockport } };
}

sub open_socket {
    my (%arguments) = @_;
    require IO::Socket::IP;
    my $socket = IO::Socket::IP->new(%arguments);
    return $socket ? ($socket) : (undef, failed($@));
}

sub listen_tcp {
    my ($request) = @_;
    my ($host, $port) = split_address($request->{at});
    my @balanced = $request->{balanced} ? (ReusePort => 1) : ();
    my ($socket, $failed) =
      open_socket(LocalHost => $host, LocalPort => $port, Type => SOCK_STREAM, Listen => SOMAXCONN, @balanced);
    return $failed // opened($request->{socket}, $socket);
}

sub bind_udp {
    my ($request) = @_;
    my ($host, $port) = split_address($request->{at});
    my ($socket, $failed) = open_socket(LocalHost => $host, LocalPort => $port, Type => SOCK_DGRAM);
    return $failed if $failed;
    if (defined(my $group = $request->{group})) {
        my @membership =
          $group =~ /:/
          ? (IPPROTO_IPV6, IPV6_JOIN_GROUP, pack_ipv6_mreq(inet_pton(AF_INET6, $group), 0))
          : (IPPROTO_IP, IP_ADD_MEMBERSHIP, pack_ip_mreq(inet_pton(AF_INET, $group), INADDR_ANY));
        $socket->setsockopt(@membership) or return failed();
    }
    return opened($request->{socket}, $socket);
}

sub dial {
    my ($request) = @_;
    my ($host, $port) = split_address($request->{to});
    my ($socket, $failed) = open_socket(PeerHost => $host, PeerPort => $port, Type => SOCK_STREAM, Timeout => 5);
    return $failed // opened($request->{socket}, $socket);
}

# Whether the socket has something to read within the time.
sub readable {
    my ($socket, $within_ms) = @_;
    vec(my $set = '', $socket->fileno, 1) = 1;
    return select($set, undef, undef, $within_ms / 1000) > 0;
}

sub accept_from {
    my ($listener, $request) = @_;
    return 'nothing' unless readable($listener, $request->{within_ms});
    my $socket = $listener->accept or return failed();
    return opened($request->{into}, $socket);
}

sub keepalive {
    my ($socket, $request) = @_;
    for my $milliseconds (grep { defined } @$request{qw(idle_ms interval_ms)}) {
        return unsupported('setsockopt takes an integer of seconds (perldoc -f setsockopt, tcp(7))')
          if $milliseconds % 1000;
    }
    my @set;
    push @set, [IPPROTO_TCP, TCP_KEEPIDLE, $request->{idle_ms} / 1000] if defined $request->{idle_ms};
    push @set, [IPPROTO_TCP, TCP_KEEPINTVL, $request->{interval_ms} / 1000] if defined $request->{interval_ms};
    push @set, [IPPROTO_TCP, TCP_KEEPCNT, $request->{count}] if defined $request->{count};
    for my $option (@set, [SOL_SOCKET, SO_KEEPALIVE, 1]) {
        $socket->setsockopt(@$option) or return failed();
    }
    return 'ok';
}

sub keepalive_period { return unsupported('IO::Socket and Socket have no call that takes one duration') }

sub keepalive_off {
    my ($socket) = @_;
    return $socket->setsockopt(SOL_SOCKET, SO_KEEPALIVE, 0) ? 'ok' : failed();
}

sub send_text {
    my ($socket, $request) = @_;
    utf8::encode(my $text = $request->{text});
    my @to;
    if (defined $request->{to}) {
        my ($host, $port) = split_address($request->{to});
        my $packed = inet_pton($socket->sockdomain, $host) // return { refused => "inet_pton rejects $host" };
        my $pack = $socket->sockdomain == AF_INET6 ? \&Socket::pack_sockaddr_in6 : \&Socket::pack_sockaddr_in;
        @to = $pack->($port, $packed);
    }
    # IO::Socket's method croaks without an address if the socket has no peer; Perl's function does not.
    defined(@to ? send($socket, $text, 0, $to[0]) : send($socket, $text, 0)) or return failed();
    return 'ok';
}

sub receive {
    my ($socket, $request) = @_;
    return 'nothing' unless readable($socket, $request->{within_ms});
    my $datagrams = $socket->socktype == SOCK_DGRAM;
    my $text = '';
    my $result = $datagrams ? recv($socket, $text, 65536, 0) : sysread($socket, $text, 65536);
    return failed() unless defined $result;
    return 'eof' if !$datagrams && !$result;
    utf8::decode($text);
    return { received => $text };
}

sub close_socket {
    my ($socket, $request) = @_;
    delete $sockets{ $request->{socket} };
    return $socket->close ? 'ok' : failed();
}

sub options {
    my ($socket) = @_;
    my %values;
    while (my ($name, $option) = each %options) {
        my $value = $socket->getsockopt(@$option);
        $values{$name} = $value if defined $value;
    }
    return { options => \%values };
}

my %opens = (
    hello => sub { { hello => { protocol => 2, name => 'perl', version => sprintf 'perl %vd', $^V } } },
    'listen-tcp' => \&listen_tcp,
    'bind-udp' => \&bind_udp,
    'join-multicast' => \&bind_udp,
    dial => \&dial,
);
my %uses = (
    accept => \&accept_from,
    keepalive => \&keepalive,
    'keepalive-period' => \&keepalive_period,
    'keepalive-off' => \&keepalive_off,
    send => \&send_text,
    receive => \&receive,
    'close-socket' => \&close_socket,
    options => \&options,
);

sub answer {
    my ($line) = @_;
    my ($name, $request) = ref $line ? %$line : ($line, {});
    return $opens{$name}->($request) if $opens{$name};
    my $use = $uses{$name} // return unsupported("Perl has no function for `$name`");
    my $socket = $sockets{ $request->{socket} } // return { failed => 'no socket has this name' };
    return $use->($socket, $request);
}

$SIG{PIPE} = 'IGNORE';
$| = 1;
while (my $line = <STDIN>) {
    my $reply = eval { answer($json->decode($line)) } // { failed => $@ =~ s/\s+\z//r };
    print $json->encode($reply), "\n";
}
# Ends without destructors.
require POSIX;
POSIX::_exit(0);
