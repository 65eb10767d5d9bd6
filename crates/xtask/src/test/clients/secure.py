"""Getting in: passwords, TLS, databases; the same refusals as PostgreSQL's."""

import socket
import struct

import psycopg

from libpq import connect, rows
from suite import Place, case


def refused(place: Place, **changes: str):
    try:
        psycopg.connect(place.conninfo(**changes)).close()
    except psycopg.OperationalError as error:
        # libpq has no code for what happens before a connection stands; its text has.
        words = str(error)
        for known in ("password authentication failed", "does not exist", "no password supplied",
                      "certificate verify failed", "channel binding"):
            if known in words:
                return known
        return words
    return "let in"


@case("TLS and SCRAM: in", is_secure=True, expected=([[b"ann"]], True, True))
def inside(place: Place):
    connection = connect(place)
    return rows(connection.exec_(b"SELECT current_user")), connection.used_password, connection.ssl_in_use


@case("TLS and SCRAM: a wrong password", is_secure=True)
def wrong(place: Place):
    return refused(place, password="other")


@case("TLS and SCRAM: no password", is_secure=True)
def none(place: Place):
    return refused(place, password="''", passfile="/dev/null")


@case("TLS and SCRAM: a user that is not there", is_secure=True)
def unknown(place: Place):
    return refused(place, user="nobody_here")


@case("TLS and SCRAM: a database that is not there", is_secure=True)
def database(place: Place):
    return refused(place, dbname="nowhere")


@case("TLS and SCRAM: the certificate is looked at", is_secure=True, expected=("let in", "let in"))
def verified(place: Place):
    return refused(place, sslmode="verify-ca"), refused(place, sslmode="verify-full", host="localhost")


@case("TLS and SCRAM: TLS from the first byte", is_secure=True, expected="let in")
def direct(place: Place):
    return refused(place, sslnegotiation="direct", sslmode="require")


@case("TLS and SCRAM: channel binding is asked for", is_secure=True, expected="let in")
def binding(place: Place):
    return refused(place, channel_binding="require")


@case("a GSS request is declined and TLS follows", is_secure=True, expected=[b"N", b"S"])
def gss(place: Place):
    with socket.create_connection((place.host, place.port), timeout=10) as client:
        answers = []
        for code in (80877104, 80877103):
            client.sendall(struct.pack(">ii", 8, code))
            answers.append(client.recv(1))
        return answers
