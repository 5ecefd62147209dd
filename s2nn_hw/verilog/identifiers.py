"""Names that Verilog, SystemVerilog and VHDL take: no reserved word, no escaping, nothing twice."""

import re

from s2nn_hw.errors import UserError

VERILOG = frozenset(
    re.findall(
        r"\w+",
        """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect
export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global highz0
highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input inside
instance int integer interconnect interface intersect join join_any join_none large let liblist library local
localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1
s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled signed small
soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on
sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand
trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var vectored virtual void
wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
""",
    )
)
VHDL = frozenset(
    re.findall(
        r"\w+",
        """
abs access after alias all and architecture array assert assume assume_guarantee attribute begin block body buffer bus
case component configuration constant context cover default disconnect downto else elsif end entity exit fairness file
for force function generate generic group guarded if impure in inertial inout is label library linkage literal loop
map mod nand new next nor not null of on open or others out package parameter port postponed procedure process
property protected pure range record register reject release rem report restrict restrict_guarantee return rol ror
select sequence severity shared signal sla sll sra srl strong subtype then to transport type unaffected units until
use variable view vmode vprop vunit wait when while with xnor xor
""",
    )
)
LONGEST = 64


def check_name(name: str) -> str:
    """Return ``name``; :class:`UserError` unless it can name a module in Verilog, SystemVerilog and VHDL."""
    if len(name) > LONGEST:
        raise UserError(f"name {name[:LONGEST]!r}.. is longer than {LONGEST} characters")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", name):
        raise UserError(
            f"name {name!r} must be letters and digits (of ASCII), joined by single underscores, and begin "
            "with a letter: what both Verilog and VHDL take"
        )
    for language, words in (("Verilog", VERILOG), ("VHDL", VHDL)):
        if name.lower() in words:
            raise UserError(f"name {name!r} is a reserved word of {language}; choose another")
    return name


def plain(name: str) -> str:
    """Return ``name`` in letters, digits and single underscores, none at its ends; it begins with a letter."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return words if words[:1].isalpha() else f"n{words}"


class Names:
    """Hands out plain names, each once, whatever their case; a number tells those apart that would be the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """Return ``wanted``, plain if Verilog would want it escaped, with a number if it is reserved or not new."""
        base = wanted if re.fullmatch(r"[A-Za-z]\w*", wanted, re.ASCII) else plain(wanted)
        name = base
        while name.lower() in self._taken or name.lower() in VERILOG:
            self._last[base] = self._last.get(base, 1) + 1
            name = f"{base}_{self._last[base]}"
        self._taken.add(name.lower())
        return name
